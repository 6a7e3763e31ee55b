/*
 * What a client may put into a request, and what redirects make of it. The input is records with
 * the byte 0x1e between them; the first byte of each says what it is:
 *
 *     U url  M method  T tag  S tls.server_name  P proxy  H name:value  L digit Location
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "field_list.h"
#include "request.h"

#define SEPARATOR    0x1e
#define MOST_RECORDS 64

struct input {
    struct wire_fetch fetch;
    struct wire_field fields[MOST_RECORDS];
    struct wire_str locations[MOST_RECORDS];
    size_t location_count;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(int is_so)
{
    if (!is_so)
        abort();
}

static struct config *generous(void)
{
    static struct config config;
    if (config.max_url_bytes == 0) {
        must(config_init(&config) == 0);
        config.allow_client_proxy = true;
        config.allow_insecure = true;
    }
    return &config;
}

/* ---- The input ------------------------------------------------------------------------------ */

static void take_field(struct input *input, struct wire_str record)
{
    const char *colon = record.length ? memchr(record.data, ':', record.length) : NULL;
    size_t name_length = colon ? (size_t)(colon - record.data) : record.length;
    struct wire_field *field = &input->fields[input->fetch.field_count++];
    field->name = (struct wire_str){record.data, name_length};
    field->value = (struct wire_str){"", 0};
    if (colon)
        field->value = (struct wire_str){colon + 1, record.length - name_length - 1};
}

static void take_record(struct input *input, char kind, struct wire_str record)
{
    switch (kind) {
    case 'U':
        input->fetch.url = record;
        break;
    case 'M':
        input->fetch.method = record;
        break;
    case 'T':
        input->fetch.tag = record;
        break;
    case 'S':
        input->fetch.tls.server_name = record;
        break;
    case 'P':
        input->fetch.proxy = record;
        break;
    case 'L':
        input->locations[input->location_count++] = record;
        break;
    default:
        take_field(input, record);
    }
}

static void read_input(struct input *input, const char *bytes, size_t length)
{
    wire_fetch_init(&input->fetch);
    input->fetch.fields = input->fields;
    input->fetch.url = wire_str_of("https://first.example/a/b?c");
    for (size_t count = 0; length > 0 && count < MOST_RECORDS; count++) {
        const char *end = memchr(bytes, SEPARATOR, length);
        size_t size = end ? (size_t)(end - bytes) : length;
        if (size > 0)
            take_record(input, bytes[0], (struct wire_str){bytes + 1, size - 1});
        size += end ? 1 : 0;
        bytes += size;
        length -= size;
    }
}

/* ---- What must hold ------------------------------------------------------------------------- */

/* A line of a request is made of it: no byte may end one. */
static void check_line(const char *text)
{
    must(!text || !strpbrk(text, "\r\n"));
}

static void check_str(struct wire_str str)
{
    must(!memchr(str.data, '\0', str.length) && str.data[str.length] == '\0');
    check_line(str.data);
}

static void check_name(const char *name)
{
    static const char *const daemons_own[] = {
        "Connection", "Content-Length",    "Expect",         "Keep-Alive", "TE", "Trailer",
        "Upgrade",    "Transfer-Encoding", "HTTP2-Settings", "Host",
    };
    must(*name && !strpbrk(name, " \t:"));
    must(strncasecmp(name, "Proxy-", 6) != 0);
    for (size_t i = 0; i < sizeof daemons_own / sizeof daemons_own[0]; i++)
        must(strcasecmp(name, daemons_own[i]) != 0);
}

static void check(const struct request *request)
{
    const struct wire_field *fields = field_list_fields(&request->fields);
    for (size_t i = 0; i < request->fields.count; i++) {
        check_str(fields[i].name);
        check_str(fields[i].value);
        check_name(fields[i].name.data);
    }
    must(*request->method && !strpbrk(request->method, " \t\r\n") &&
         strcmp(request->method, "CONNECT") != 0);
    check_line(request->url.text);
    check_line(request->tls_server_name);
    check_line(request->proxy);
}

/* Credentials were meant for the origin that the client named. */
static void check_left_behind(const struct request *request)
{
    must(!field_list_find(&request->fields, "Authorization").data);
    must(!field_list_find(&request->fields, "Cookie").data);
    must(!request->tls_server_name);
}

/* The first byte of the record chooses among the statuses that redirect. */
static void redirect(struct request *request, struct wire_str location)
{
    static const unsigned statuses[] = {301, 302, 303, 307, 308};
    struct wire_why why;
    if (location.length == 0)
        return;
    unsigned status = statuses[(unsigned char)location.data[0] % 5];
    char *origin = strdup(request->url.origin);
    must(origin && request_is_redirect(status));
    location = (struct wire_str){location.data + 1, location.length - 1};
    if (request_redirect(request, status, location, generous(), &why) == 0 &&
        strcmp(origin, request->url.origin) != 0)
        check_left_behind(request);
    check(request);
    free(origin);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input input = {0};
    struct wire_why why;
    struct request *request;
    char *terms;
    read_input(&input, (const char *)bytes, length);
    if (request_create(&request, &input.fetch, generous(), NULL, &why) != 0)
        return 0;
    check(request);
    for (size_t i = 0; i < input.location_count; i++)
        redirect(request, input.locations[i]);
    must(request_terms(request, &terms) == 0);
    free(terms);
    request_destroy(request);
    return 0;
}
