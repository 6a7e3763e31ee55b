/* config: see config.h. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "config_value.h"
#include "log.h"

#define KIB        ((uint64_t)1 << 10)
#define MIB        ((uint64_t)1 << 20)
#define GIB        ((uint64_t)1 << 30)
#define HOUR_MS    ((uint64_t)60 * 60 * 1000)
#define DAY_MS     (24 * HOUR_MS)
#define AT(member) offsetof(struct config, member)

const struct config_key config_keys[] = {
    {"daemon", "socket", CONFIG_TEXT, AT(socket), NULL, 0, 0,
     "Path of the socket to listen at. Default: $FETCHPOOL_SOCKET; else "
     "/run/fetchpool/fetchpool.sock for root, $XDG_RUNTIME_DIR/fetchpool/fetchpool.sock for "
     "others."},
    {"daemon", "log_level", CONFIG_LEVEL, AT(log_level), "info", 0, 0,
     "How much to log: each level includes those before it. debug has a line for each request."},

    {"pool", "max_connections", CONFIG_COUNT, AT(max_connections), "512", 1, 100000,
     "Connections to origins that are kept open when no request uses them. Beyond it the one "
     "unused for longest is closed."},
    {"pool", "idle_timeout", CONFIG_DURATION, AT(pool_idle_timeout_ms), "55s", 1000, DAY_MS,
     "A connection unused for longer, in whole seconds, is not used again. Below what servers "
     "close at: 60s and 75s are common."},
    {"pool", "lifetime", CONFIG_DURATION, AT(pool_lifetime_ms), "10m", 1000, 30 * DAY_MS,
     "A connection older than this is not used again, so that a name that moved is followed."},
    {"pool", "dns_ttl", CONFIG_DURATION, AT(dns_ttl_ms), "60s", 0, DAY_MS,
     "How long a looked-up name is believed, in whole seconds, rounded up."},

    {"timeouts", "total", CONFIG_DURATION, AT(total_timeout_ms), "300s", 1, DAY_MS,
     "A whole request, from its arrival to the last byte of its answer, where the client gives no "
     "timeout."},
    {"timeouts", "stream", CONFIG_DURATION, AT(stream_timeout_ms), "24h", 1, DAY_MS,
     "The same for a request that streams its body or its answer's. Those that do not move are "
     "ended by idle and client_stall."},
    {"timeouts", "connect", CONFIG_DURATION, AT(connect_timeout_ms), "10s", 1, DAY_MS,
     "From the request's arrival to its being sent (name look-up, TCP and TLS), where the client "
     "gives no connect_timeout."},
    {"timeouts", "first_byte", CONFIG_DURATION, AT(first_byte_timeout_ms), "120s", 1, DAY_MS,
     "From the start of sending the request, its body included, or from the end of an upload, to "
     "the end of the answer's header fields, where the client gives no first_byte_timeout."},
    {"timeouts", "idle", CONFIG_DURATION, AT(idle_timeout_ms), "60s", 1, DAY_MS,
     "How long an origin may send nothing of an answer's body, or take nothing of an upload, "
     "where the client gives no idle_timeout."},
    {"timeouts", "client_stall", CONFIG_DURATION, AT(client_stall_timeout_ms), "60s", 1, DAY_MS,
     "How long a client may take nothing of a streamed answer that waits for it, or send nothing "
     "of an upload that the origin waits for, before the request ends with error 206."},
    {"timeouts", "expect", CONFIG_DURATION, AT(expect_timeout_ms), "1s", 0, HOUR_MS,
     "How long an upload over HTTP/1.1 of more than 1 MiB, or of unknown length, waits for the "
     "origin's word (Expect: 100-continue) before it is sent without it. 0: it does not ask."},
    {"timeouts", "frame", CONFIG_DURATION, AT(frame_timeout_ms), "30s", 1, HOUR_MS,
     "How long a client may take to send one message or line, from its first byte to its last; "
     "beyond it the connection is closed."},
    {"timeouts", "share", CONFIG_DURATION, AT(share_timeout_ms), "1s", 0, HOUR_MS,
     "How long a request waits for a connection to its origin that another request is opening, "
     "before it opens one of its own."},
    {"timeouts", "drain", CONFIG_DURATION, AT(drain_timeout_ms), "30s", 0, HOUR_MS,
     "After SIGTERM, how long running requests may take to finish."},

    {"limits", "max_message", CONFIG_BYTES, AT(max_message_bytes), "16MiB", 4 * KIB, 16 * MIB,
     "One message from a client, with the request body that it carries. Uploads are not bounded "
     "by it: they come in many."},
    {"limits", "max_body", CONFIG_BYTES, AT(max_body_bytes), "16MiB", 1, GIB,
     "One response body that is not streamed, decoded; also the most that a client may ask for."},
    {"limits", "max_url", CONFIG_BYTES, AT(max_url_bytes), "16KiB", 64, MIB, "One URL."},
    {"limits", "max_line", CONFIG_BYTES, AT(max_line_bytes), "16KiB", 128, MIB,
     "One line of the text dialect."},
    {"limits", "max_headers", CONFIG_COUNT, AT(max_headers), "256", 1, 10000,
     "Header fields in one request."},
    {"limits", "max_header_bytes", CONFIG_BYTES, AT(max_header_bytes), "64KiB", KIB, MIB,
     "All header fields of one request together."},
    /* The upper bound is libcurl's own, 300 KiB (MAX_HTTP_RESP_HEADER_SIZE). */
    {"limits", "max_response_header_bytes", CONFIG_BYTES, AT(max_response_header_bytes), "256KiB",
     KIB, 300 * KIB, "All header fields of one response together."},
    {"limits", "max_redirects", CONFIG_COUNT, AT(max_redirects), "50", 0, 1000,
     "The most redirects that a client may ask to be followed."},
    {"limits", "max_clients", CONFIG_COUNT, AT(max_clients), "10000", 1, 1000000,
     "Client connections at a time; more wait until one ends. Lowered at start-up where the "
     "limit on descriptors (LimitNOFILE) is too small for it."},
    {"limits", "requests_per_client", CONFIG_COUNT, AT(requests_per_client), "256", 1, 100000,
     "Requests in flight on one client connection; its next message is read when one has ended. "
     "Where one of them streams, a further request is refused with error 100 instead: behind it "
     "may stand what the stream waits for."},
    {"limits", "max_unread", CONFIG_BYTES, AT(max_unread_bytes), "64MiB", MIB, GIB + 64 * MIB,
     "Bytes of answers for one client connection that come in or have not been read. A body that "
     "goes beyond it while it comes in is error 204; an answer that does not fit behind unread "
     "ones is error 206. Streamed bodies do not count. Where max_body is larger, this is raised so "
     "that one such body fits."},
    {"limits", "upload_window", CONFIG_BYTES, AT(upload_window_bytes), "256KiB", 4 * KIB, 16 * MIB,
     "Bytes of one upload that its client may send ahead of what the origin has taken."},
    {"limits", "paused_memory", CONFIG_BYTES, AT(paused_memory_bytes), "64MiB", MIB, 64 * GIB,
     "Bytes of streamed answers that wait for the clients of one user. Beyond it the stream that "
     "has waited longest ends with error 206. Over HTTP/2 one stream can hold 20 MiB, and 40 "
     "while it is read slowly: libcurl grants that to the origin, and has no option for it."},
    {"limits", "paused_memory_total", CONFIG_BYTES, AT(paused_memory_total_bytes), "256MiB", MIB,
     256 * GIB, "The same for the clients of all users: one of the user who holds most ends then."},
    {"limits", "max_name", CONFIG_BYTES, AT(max_name_bytes), "128", 16, 4 * KIB,
     "A client's name in hello, and the tag of a request."},
    {"limits", "max_pem", CONFIG_BYTES, AT(max_pem_bytes), "64KiB", KIB, MIB,
     "Each of the PEM texts tls.ca, tls.cert and tls.key. They are read anew for each connection, "
     "which holds up everybody: about 0.4 ms for each KiB."},

    {"tls", "ca_file", CONFIG_PEM_FILE, AT(ca_file), NULL, 0, 0,
     "Certificates of the authorities to trust, as a PEM file. Default: the system's."},
    {"tls", "allow_insecure", CONFIG_BOOLEAN, AT(allow_insecure), "no", 0, 0,
     "Whether a client may ask not to verify certificates."},

    {"proxy", "url", CONFIG_PROXY, AT(proxy_url), NULL, 0, 0,
     "The http://, https:// or socks5h:// proxy to go through where a client names none. "
     "Environment variables are not looked at."},
    {"proxy", "allow_client", CONFIG_BOOLEAN, AT(allow_client_proxy), "no", 0, 0,
     "Whether a client may name a proxy of its own."},
};

const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

/* ---- Values --------------------------------------------------------------------------------- */

const char *config_type_description(enum config_type type)
{
    switch (type) {
    case CONFIG_TEXT:
        return "a text that is not empty";
    case CONFIG_PEM_FILE:
        return "a file of certificates in PEM that can be read";
    case CONFIG_PROXY:
        return "an http://, https:// or socks5h:// URL";
    case CONFIG_LEVEL:
        return "error, warning, notice, info or debug";
    case CONFIG_BOOLEAN:
        return "yes or no";
    case CONFIG_COUNT:
        return "a whole number";
    case CONFIG_BYTES:
        return "a size such as 4096, 64KiB, 16MiB or 1GiB";
    case CONFIG_DURATION:
        return "a duration such as 500ms, 30s, 5m or 1h";
    }
    return "";
}

static int set_text(char **member, const char *text)
{
    if (text && !*text)
        return -EINVAL;
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return -ENOMEM;
    free(*member);
    *member = copy;
    return 0;
}

static int set_level(int *member, const char *text)
{
    enum log_level level;
    if (!log_level_parse(text, &level))
        return -EINVAL;
    *member = (int)level;
    return 0;
}

static int set_number(const struct config_key *key, uint64_t *member, const char *text)
{
    uint64_t number;
    bool is_valid = key->type == CONFIG_DURATION ? config_value_duration(text, &number)
                    : key->type == CONFIG_BYTES  ? config_value_bytes(text, &number)
                                                 : config_value_count(text, &number);
    if (!is_valid)
        return -EINVAL;
    if (number < key->least || number > key->most)
        return -ERANGE;
    *member = number;
    return 0;
}

/* 0, -EINVAL (no value of its type), -ERANGE (out of its bounds) or -ENOMEM. */
static int set_value(struct config *config, const struct config_key *key, const char *text)
{
    void *member = (char *)config + key->offset;
    switch (key->type) {
    case CONFIG_TEXT:
        return set_text(member, text);
    case CONFIG_PEM_FILE:
        return text && !config_value_is_pem_file(text) ? -EINVAL : set_text(member, text);
    case CONFIG_PROXY:
        return text && !config_value_is_proxy(text) ? -EINVAL : set_text(member, text);
    case CONFIG_LEVEL:
        return set_level(member, text);
    case CONFIG_BOOLEAN:
        return config_value_boolean(text, member) ? 0 : -EINVAL;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        return set_number(key, member, text);
    }
    return -EINVAL;
}

bool config_key_is_text(const struct config_key *key)
{
    return key->type == CONFIG_TEXT || key->type == CONFIG_PEM_FILE || key->type == CONFIG_PROXY;
}

int config_init(struct config *config)
{
    *config = (struct config){0};
    for (size_t i = 0; i < config_key_count; i++) {
        int result = set_value(config, &config_keys[i], config_keys[i].preset);
        if (result < 0) {
            config_finish(config);
            return result;
        }
    }
    return 0;
}

void config_finish(struct config *config)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_key_is_text(&config_keys[i]))
            free(*(char **)((char *)config + config_keys[i].offset));
    }
    *config = (struct config){0};
}

/* ---- File ----------------------------------------------------------------------------------- */

struct reading {
    struct config config;
    bool *seen; /* one for each key: inih would let a second value win in silence */
    int result;
    char reason[400]; /* of the first error */
};

static int fail(struct reading *reading, int result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns 0, which tells inih that the line is wrong. */
static int fail(struct reading *reading, int result, const char *format, ...)
{
    if (reading->result == 0) {
        va_list values;
        va_start(values, format);
        vsnprintf(reading->reason, sizeof reading->reason, format, values);
        va_end(values);
        reading->result = result;
    }
    return 0;
}

static void append_name(char *list, size_t size, const char *name)
{
    size_t length = strlen(list);
    if (length < size)
        snprintf(list + length, size - length, "%s%s", length ? ", " : "", name);
}

static int fail_unknown(struct reading *reading, const char *section, const char *name)
{
    char sections[100] = "", keys[400] = "";
    const char *last = "";
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(last, config_keys[i].section) != 0)
            append_name(sections, sizeof sections, last = config_keys[i].section);
        if (strcmp(section, config_keys[i].section) == 0)
            append_name(keys, sizeof keys, config_keys[i].name);
    }
    if (!section[0])
        return fail(reading, -EINVAL, "\"%.60s\" stands before any section; expected one of [%s]",
                    name, sections);
    if (keys[0])
        return fail(reading, -EINVAL, "unknown key \"%.60s\" in [%s]; expected one of %s", name,
                    section, keys);
    return fail(reading, -EINVAL, "unknown section [%.60s]; expected one of %s", section, sections);
}

static int fail_range(struct reading *reading, const struct config_key *key, const char *text)
{
    char least[32], most[32];
    config_value_print(least, sizeof least, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->least);
    config_value_print(most, sizeof most, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->most);
    return fail(reading, -EINVAL, "[%s] %s = %.60s: expected %s to %s", key->section, key->name,
                text, least, most);
}

static int take_key(struct reading *reading, size_t index, const char *text)
{
    const struct config_key *key = &config_keys[index];
    if (reading->seen[index])
        return fail(reading, -EINVAL, "[%s] %s is given twice", key->section, key->name);
    reading->seen[index] = true;
    switch (set_value(&reading->config, key, text)) {
    case 0:
        return 1;
    case -ENOMEM:
        return fail(reading, -ENOMEM, "out of memory");
    case -ERANGE:
        return fail_range(reading, key, text);
    default:
        return fail(reading, -EINVAL, "[%s] %s = %.60s: expected %s", key->section, key->name, text,
                    config_type_description(key->type));
    }
}

static int on_line(void *user, const char *section, const char *name, const char *text)
{
    struct reading *reading = user;
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(section, config_keys[i].section) == 0 && strcmp(name, config_keys[i].name) == 0)
            return take_key(reading, i, text);
    }
    return fail_unknown(reading, section, name);
}

static int read_file(struct reading *reading, FILE *file, const char *path,
                     struct config_error *error)
{
    int line = ini_parse_file(file, on_line, reading);
    if (line > 0) {
        /* A line that inih itself could not read comes before any that we refused, or alone. */
        const char *reason = reading->result < 0 ? reading->reason
                                                 : "expected [section], name = value or ; comment";
        snprintf(error->text, sizeof error->text, "%.100s:%d: %s", path, line, reason);
        return reading->result < 0 ? reading->result : -EINVAL;
    }
    if (line < 0 || ferror(file)) {
        snprintf(error->text, sizeof error->text, "%.100s: could not be read", path);
        return line == -2 ? -ENOMEM : -EINVAL;
    }
    return 0;
}

static int load_over_defaults(struct reading *reading, FILE *file, const char *path,
                              struct config_error *error)
{
    int result = config_init(&reading->config);
    if (result == 0)
        result = read_file(reading, file, path, error);
    if (result < 0)
        config_finish(&reading->config);
    return result;
}

int config_load(struct config *config, const char *path, struct config_error *error)
{
    snprintf(error->text, sizeof error->text, "%.100s: out of memory", path);
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(error->text, sizeof error->text, "%.100s: %s", path, strerror(errno));
        return -EINVAL;
    }
    struct reading reading = {.seen = calloc(config_key_count, sizeof *reading.seen)};
    int result = reading.seen ? load_over_defaults(&reading, file, path, error) : -ENOMEM;
    if (result == 0) {
        config_finish(config);
        *config = reading.config;
    }
    free(reading.seen);
    fclose(file);
    return result;
}
