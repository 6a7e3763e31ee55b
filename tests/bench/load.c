/*
 * load: clients of a proxy, each of which has one request in flight, and the next at once.
 *
 *     load [-p PID]... fetchpool SOCKET    CLIENTS WARM-UP-MS MS URL...
 *     load [-p PID]... http     ADDRESS:PORT CLIENTS WARM-UP-MS MS TARGET...
 *
 * fetchpool: MessagePack-RPC to a fetchpoold. http: HTTP/1.1 in the clear to a reverse proxy
 * (TARGET is a path) or a forward proxy (TARGET is a URL). Requests are encoded once. Each client
 * has a connection of its own and goes through the URLs in turn. Every answer must be a 200. Prints
 * one line: see meter.h; the processor time is that of the processes PID.
 */
#include "buffer.h"
#include "fetchpool_wire.h"
#include "meter.h"
#include "scanner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_ANSWER 65536

struct request {
    uint8_t *bytes;
    size_t length;
};

struct client {
    int socket;
    size_t next; /* request */
    int64_t sent_ns;
    struct scanner scanner; /* of MessagePack */
    size_t length;
    uint8_t answer[MAX_ANSWER];
};

/* What a protocol's answers look like. True: the bytes are a whole answer, which is as it should
 * be. */
typedef bool (*is_whole)(struct client *client, size_t fresh);

static struct request *requests;
static size_t request_count;

/* ---- MessagePack-RPC ------------------------------------------------------------------------ */

static struct request encode_fetch(const char *url)
{
    struct buffer buffer;
    buffer_init(&buffer, MAX_ANSWER);
    struct wire_fetch fetch;
    wire_fetch_init(&fetch);
    fetch.url = wire_str_of(url);
    wire_fetch_encode(&buffer, 1, &fetch);
    if (buffer.error != 0)
        die("%s cannot be encoded", url);
    return (struct request){buffer.data, buffer.length};
}

/* Reads the message as a client would, once; what follows is compared by its first bytes. */
static void check_first(const struct client *client)
{
    struct wire_message message;
    struct wire_response response;
    struct wire_why why;
    if (wire_message_open(&message, client->answer, client->length, &why) != 0)
        die("not MessagePack-RPC: %s", why.text);
    int code;
    struct wire_str text;
    wire_error_read(message.error, &code, &text);
    if (fetchpool_value_type(message.error) != FETCHPOOL_NIL)
        die("error %d: %.*s", code, WIRE_STR(text));
    if (wire_response_decode(&response, message.result) != 0 || response.status != 200)
        die("not a 200");
    wire_response_finish(&response);
    wire_message_close(&message);
}

static bool is_whole_message(struct client *client, size_t fresh)
{
    static const uint8_t well[] = {0x94, 0x01, 0x01, 0xc0}; /* [response, 1, nil, … */
    static bool is_checked;
    enum scan_result result;
    size_t taken = scanner_feed(&client->scanner, client->answer + client->length - fresh, fresh,
                                &result);
    if (result == SCAN_MORE)
        return false;
    if (result == SCAN_BROKEN || taken != fresh)
        die("an answer is broken or followed by something");
    if (!is_checked || memcmp(client->answer, well, sizeof(well)) != 0)
        check_first(client);
    is_checked = true;
    return true;
}

/* ---- HTTP/1.1 ------------------------------------------------------------------------------- */

static struct request encode_get(const char *target)
{
    char *text;
    const char *host = strstr(target, "://");
    host = host ? host + 3 : "localhost";
    int length = asprintf(&text, "GET %s HTTP/1.1\r\nHost: %.*s\r\n\r\n", target,
                          (int)strcspn(host, "/"), host);
    if (length < 0)
        die("no memory");
    return (struct request){(uint8_t *)text, (size_t)length};
}

static bool is_whole_answer(struct client *client, size_t fresh)
{
    (void)fresh;
    char *text = (char *)client->answer;
    text[client->length] = '\0';
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return false;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    if (strncmp(text, "HTTP/1.1 200", 12) != 0 || !length || length > end)
        die("not a 200 with a length: %.*s", (int)(end - text), text);
    size_t wanted = (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10);
    if (client->length > wanted)
        die("an answer is followed by something");
    return client->length == wanted;
}

/* ---- Clients -------------------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        die("%s is too long", path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect to %s: %s", path, strerror(errno));
    return fd;
}

static int connect_tcp(const char *place)
{
    char host[64];
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strrchr(place, ':');
    if (!colon || (size_t)(colon - place) >= sizeof(host))
        die("%s is not ADDRESS:PORT", place);
    *(char *)mempcpy(host, place, (size_t)(colon - place)) = '\0';
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("%s is not an address", host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect to %s: %s", place, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

static void send_next(struct client *client)
{
    const struct request *request = &requests[client->next];
    client->next = (client->next + 1) % request_count;
    client->length = 0;
    client->sent_ns = meter_now_ns();
    if (write(client->socket, request->bytes, request->length) != (ssize_t)request->length)
        die("a request could not be written whole: %s", strerror(errno));
}

/* False: the measurement is over. */
static bool receive(struct client *client, is_whole is_whole_, struct meter *meter)
{
    ssize_t got = read(client->socket, client->answer + client->length,
                       sizeof(client->answer) - client->length - 1);
    if (got <= 0)
        die("a connection ended, or an answer is too long");
    client->length += (size_t)got;
    if (!is_whole_(client, (size_t)got))
        return true;
    if (!meter_count(meter, client->sent_ns))
        return false;
    send_next(client);
    return true;
}

static void run(struct client **clients, size_t count, is_whole is_whole_, struct meter *meter)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = clients[i]};
        if (epoll_ctl(set, EPOLL_CTL_ADD, clients[i]->socket, &wanted) != 0)
            die("epoll: %s", strerror(errno));
        send_next(clients[i]);
    }
    for (;;) {
        struct epoll_event ready[64];
        int ready_count = epoll_wait(set, ready, 64, -1);
        for (int i = 0; i < ready_count; i++) {
            if (!receive(ready[i].data.ptr, is_whole_, meter)) {
                close(set);
                return;
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct meter meter = {0};
    int option;
    while ((option = getopt(argc, argv, "+p:")) != -1) {
        if (option != 'p')
            return 2;
        meter_watch(&meter, atoi(optarg));
    }
    argv += optind;
    argc -= optind;
    bool is_http = argc > 0 && strcmp(argv[0], "http") == 0;
    if (argc < 6 || (!is_http && strcmp(argv[0], "fetchpool") != 0)) {
        fprintf(stderr,
                "usage: load [-p PID]... fetchpool|http ADDRESS CLIENTS WARM-UP-MS MS URL...\n");
        return 2;
    }

    request_count = (size_t)argc - 5;
    requests = calloc(request_count, sizeof(*requests));
    size_t count = (size_t)atol(argv[2]);
    struct client **clients = calloc(count, sizeof(struct client *));
    if (!requests || !clients)
        die("no memory");
    for (size_t i = 0; i < request_count; i++)
        requests[i] = is_http ? encode_get(argv[5 + i]) : encode_fetch(argv[5 + i]);
    for (size_t i = 0; i < count; i++) {
        clients[i] = calloc(1, sizeof(struct client));
        if (!clients[i])
            die("no memory");
        clients[i]->socket = is_http ? connect_tcp(argv[1]) : connect_unix(argv[1]);
        clients[i]->next = i * request_count / count;
        scanner_init(&clients[i]->scanner, MAX_ANSWER, WIRE_MAX_MESSAGE_ELEMENTS);
    }
    meter_start(&meter, atol(argv[3]), atol(argv[4]));
    run(clients, count, is_http ? is_whole_answer : is_whole_message, &meter);
    meter_print(&meter);

    for (size_t i = 0; i < count; i++) {
        close(clients[i]->socket);
        free(clients[i]);
    }
    for (size_t i = 0; i < request_count; i++)
        free(requests[i].bytes);
    free(clients);
    free(requests);
    return 0;
}
