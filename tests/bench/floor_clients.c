#include "floor_clients.h"

#include "curl_loop.h"
#include "meter.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CONNECTIONS 4096
#define MAX_REQUEST     4096
#define MAX_BODY        255 /* its length is one byte */
#define MAX_ID          5   /* an integer of MessagePack, with its type */

/* [1, id, nil, {"status": 200, "headers": [], "body": …}]: what precedes the id, what follows it,
 * up to the body's length. */
static const uint8_t before_id[] = {0x94, 0x01};
static const uint8_t behind_id[] = "\xc0\x83\xa6status\xcc\xc8\xa7headers\x90\xa4"
                                   "body\xc4";
#define BEHIND_ID (sizeof(behind_id) - 1)

struct client {
    int socket;
    CURL *easy; /* owned */
    size_t id_length;
    uint8_t id[MAX_ID];
    size_t length; /* of the body */
    uint8_t body[MAX_BODY];
};

static const char *http, *ca_file, *url;

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct client *client = ctx;
    size_t length = size * count;
    if (length > MAX_BODY - client->length)
        die("a body has more than %d bytes", MAX_BODY);
    memcpy(client->body + client->length, bytes, length);
    client->length += length;
    return length;
}

static bool on_done(CURL *easy, void *owner)
{
    (void)easy;
    struct client *client = owner;
    uint8_t answer[sizeof(before_id) + MAX_ID + BEHIND_ID + 1 + MAX_BODY];
    uint8_t *end = mempcpy(answer, before_id, sizeof(before_id));
    end = mempcpy(end, client->id, client->id_length);
    end = mempcpy(end, behind_id, BEHIND_ID);
    *end++ = (uint8_t)client->length;
    end = mempcpy(end, client->body, client->length);
    ssize_t length = end - answer;
    if (write(client->socket, answer, (size_t)length) != length && errno != EPIPE)
        die("an answer could not be written whole: %s", strerror(errno));
    return true;
}

static size_t id_length(uint8_t first)
{
    switch (first) {
    case 0xcc:
        return 2;
    case 0xcd:
        return 3;
    case 0xce:
        return 5;
    default:
        return 1;
    }
}

static void client_destroy(struct client *client)
{
    curl_loop_destroy_easy(client->easy);
    curl_loop_close(client->socket);
    free(client);
}

/* [0, id, …: that is all that is looked at. */
static void on_request(int fd, void *ctx)
{
    struct client *client = ctx;
    uint8_t request[MAX_REQUEST];
    ssize_t got = read(fd, request, sizeof(request));
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        client_destroy(client);
        return;
    }
    if (got < 2 + MAX_ID || request[0] != 0x94 || request[1] != 0)
        die("not a request");
    client->id_length = id_length(request[2]);
    memcpy(client->id, request + 2, client->id_length);
    client->length = 0;
    curl_loop_begin(client->easy);
}

static void on_client(int fd, void *ctx)
{
    (void)ctx;
    int socket = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *client = calloc(1, sizeof(*client));
    if (socket < 0 || !client)
        die("a client cannot be accepted: %s", strerror(errno));
    client->socket = socket;
    client->easy = curl_loop_create_easy(http, ca_file, url, client);
    MUST(curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_body));
    MUST(curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, client));
    curl_loop_watch(socket, on_request, client);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        die("%s is too long", path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, SOMAXCONN) != 0)
        die("%s: %s", path, strerror(errno));
    return fd;
}

void floor_clients_serve(const char *http_, const char *ca_file_, const char *socket_path,
                         const char *url_)
{
    http = http_;
    ca_file = ca_file_;
    url = url_;
    signal(SIGPIPE, SIG_IGN);
    curl_loop_init(MAX_CONNECTIONS);
    curl_loop_watch(listen_at(socket_path), on_client, NULL);
    curl_loop_run(on_done);
    abort(); /* on_done() never ends it */
}
