/*
 * fetchpool_wire.h: the messages that clients and the daemon exchange, as structs, and their way
 * to MessagePack and back. Shared by the daemon and the library; not installed. The wire itself is
 * described in client-lib/PROTOCOL.md.
 *
 * Pure: no I/O, no clock, no global state. A decoded message is a set of views into the bytes that
 * it was decoded from; those bytes must stay until wire_message_close(). Only bytes that a scanner
 * has measured may be decoded.
 */
#pragma once

#include "fetchpool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer;

/* ---- Numbers of the protocol ---------------------------------------------------------------- */

#define WIRE_PROTOCOL_VERSION 1

/* A message to the daemon, in bytes, unless its configuration says less ([limits] max_message). */
#define WIRE_MAX_MESSAGE_BYTES ((uint64_t)16 << 20)

/*
 * A message from the daemon, in bytes. The library trusts the daemon further than the daemon
 * trusts clients; this bounds what a wrong program at the socket's other end can make it allocate.
 * More than the largest [limits] max_body (1 GiB) with the largest header fields.
 */
#define WIRE_MAX_REPLY_BYTES (((uint64_t)1 << 30) + ((uint64_t)16 << 20))

/* Values in a message to the daemon. A request with the most header fields has some thousands. */
#define WIRE_MAX_MESSAGE_ELEMENTS 65536

/* Values in a message from the daemon: `clients` has twenty for each of up to a million clients,
 * and msgpack-c's account of a value takes 24 bytes. */
#define WIRE_MAX_REPLY_ELEMENTS ((uint32_t)20 << 20)

/*
 * Error messages begin with these where a caller may want to tell cases of one code apart, as the
 * fetchpool command does for curl's exit codes.
 */
#define WIRE_SAYS_CERTIFICATE "certificate of "    /* of TLS: the peer's is not trusted */
#define WIRE_SAYS_EMPTY       "empty answer from " /* of CLOSED: not one byte came */

/* ---- Small types ---------------------------------------------------------------------------- */

/* Bytes of somebody else's: no NUL at their end. `data` is NULL where there is no string at all. */
struct wire_str {
    const char *data;
    size_t length;
};

/* Inline, so that a literal's length is known when it is compiled. NULL gives the absent string. */
static inline struct wire_str wire_str_of(const char *text)
{
    return (struct wire_str){.data = text, .length = text ? strlen(text) : 0};
}

static inline bool wire_str_is(struct wire_str str, const char *text)
{
    return str.data && str.length == strlen(text) && memcmp(str.data, text, str.length) == 0;
}

/* How many bytes the character that it begins with has in UTF-8; 0: it is none. */
size_t wire_utf8_length(struct wire_str str);

/* For printf's "%.*s". */
#define WIRE_STR(str) (int)(str).length, (str).data ? (str).data : ""

struct wire_field {
    struct wire_str name;
    struct wire_str value;
};

/* A sentence about what is wrong, cut to fit. */
struct wire_why {
    char text[512];
};

/* Writes the sentence and returns -EINVAL, so that a check can end with `return wire_why_set(…)`.
 * Bytes that are no printable ASCII are written as '?', whatever came from a client. */
int wire_why_set(struct wire_why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- The envelope --------------------------------------------------------------------------- */

enum wire_kind { WIRE_REQUEST = 0, WIRE_RESPONSE = 1, WIRE_NOTIFICATION = 2 };

struct wire_message {
    enum wire_kind kind;
    uint32_t id;                          /* not of a notification */
    struct wire_str method;               /* not of a response */
    const struct fetchpool_value *params; /* not of a response */
    const struct fetchpool_value *error;  /* of a response; nil if it went well */
    const struct fetchpool_value *result; /* of a response */
    void *memory;                         /* what the values live in; owned */
};

/*
 * Opens one whole message. 0, or -ENOMEM, or -EBADMSG with the reason if it is no MessagePack-RPC
 * envelope. After 0 it must be closed; after an error it need not.
 */
int wire_message_open(struct wire_message *out_message, const uint8_t *bytes, size_t length,
                      struct wire_why *why);
void wire_message_close(struct wire_message *message);

/*
 * The one map that params may hold, or NULL (an empty map) if there is none. -EINVAL with the
 * reason if params is anything but an array of at most one map; an empty array passes for a map.
 */
int wire_params_map(const struct fetchpool_value *params, const struct fetchpool_value **out_map,
                    struct wire_why *why);

/* The code and the message of a response's error, however badly formed: never fails. */
void wire_error_read(const struct fetchpool_value *error, int *out_code, struct wire_str *out_text);

/* ---- fetch ---------------------------------------------------------------------------------- */

/* A number that the client did not give: the daemon's default holds. */
#define WIRE_UNSET UINT64_MAX

enum wire_http { WIRE_HTTP_AUTO, WIRE_HTTP_1_1, WIRE_HTTP_2 };
enum wire_retry { WIRE_RETRY_SAFE, WIRE_RETRY_NEVER, WIRE_RETRY_ALWAYS };

struct wire_tls {
    struct wire_str ca;   /* PEM */
    struct wire_str cert; /* PEM */
    struct wire_str key;  /* PEM */
    struct wire_str server_name;
    bool no_verify;
};

struct wire_fetch {
    struct wire_str url;
    struct wire_str method;    /* absent: GET */
    struct wire_field *fields; /* owned after decoding: wire_fetch_finish() */
    size_t field_count;
    struct wire_str body; /* absent: none */
    bool upload;          /* the body follows as `data` … `end` */
    uint64_t upload_size;
    bool stream; /* the response body is to come as `data` … `end` */
    uint64_t window;
    uint64_t max_body;
    uint64_t timeout_ms;
    uint64_t queue_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t first_byte_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t redirects;
    bool decompress;
    enum wire_http http;
    enum wire_retry retry;
    struct wire_tls tls;
    struct wire_str proxy;
    struct wire_str tag;
};

/* Everything absent or by default. */
void wire_fetch_init(struct wire_fetch *fetch);
void wire_fetch_finish(struct wire_fetch *fetch);

/* 0, -ENOMEM, or -EINVAL with the reason: which key, what it should be, what it is. */
int wire_fetch_decode(struct wire_fetch *out_fetch, const struct fetchpool_value *params,
                      struct wire_why *why);

/* Returns where in the buffer the number of `timeout` stands; 0 if the fetch names none. */
size_t wire_fetch_encode(struct buffer *buffer, uint32_t id, const struct wire_fetch *fetch);

/* Puts a lesser timeout there, before it is sent again. Does nothing at 0. */
void wire_fetch_shorten(struct buffer *buffer, size_t timeout_at, uint64_t timeout_ms);

/* `check`: the same question, not to be acted on; so without a body and what belongs to streams. */
void wire_check_encode(struct buffer *buffer, uint32_t id, const struct wire_fetch *fetch);

/* ---- The answer to fetch -------------------------------------------------------------------- */

struct wire_connection {
    uint64_t id;
    bool is_reused;
    uint64_t requests;
    uint64_t age_ms;
    struct wire_str peer;
};

struct wire_response {
    uint64_t status;
    const struct wire_field *fields; /* owned after decoding: wire_response_finish() */
    size_t field_count;
    struct wire_str body;
    bool is_streamed; /* the body follows: the message has none */
    struct wire_str http;
    struct wire_str url;
    uint64_t redirects;
    struct wire_connection connection;
    struct fetchpool_timing timing;
};

void wire_response_encode(struct buffer *buffer, uint32_t id, const struct wire_response *response);

/* 0, -ENOMEM, or -EBADMSG if what should be there is not. Unknown keys are passed over. */
int wire_response_decode(struct wire_response *out_response, const struct fetchpool_value *result);
void wire_response_finish(struct wire_response *response);

/* ---- Streams: notifications ----------------------------------------------------------------- */

/* Body bytes in one `data`. */
#define WIRE_MAX_DATA_BYTES 65536

/* Body bytes that may be sent before the first `window`, where a fetch names none. */
#define WIRE_DEFAULT_WINDOW 262144

/* The most that stands before the bytes of a `data`. */
#define WIRE_DATA_HEAD_BYTES 24

/* What the daemon's `end` says; a client's says nothing. */
struct wire_end {
    uint64_t bytes; /* of the whole body */
    struct fetchpool_timing timing;
    const struct wire_field *trailers; /* owned after decoding: wire_note_finish() */
    size_t trailer_count;
};

enum wire_note_kind {
    WIRE_NOTE_UNKNOWN, /* of a newer protocol: to be passed over */
    WIRE_NOTE_DATA,
    WIRE_NOTE_END,
    WIRE_NOTE_WINDOW,
    WIRE_NOTE_CANCEL,
    WIRE_NOTE_ERROR,
    WIRE_NOTE_GOAWAY
};

struct wire_note {
    enum wire_note_kind kind;
    uint32_t id;           /* not of goaway */
    struct wire_str bytes; /* of data */
    uint64_t window;       /* of window: the bytes granted */
    struct wire_end end;   /* of end; zeros where it says nothing */
    int code;              /* of error */
    struct wire_str text;  /* of error and goaway */
};

/*
 * Reads a notification. 0, -ENOMEM, or -EINVAL with the reason. Views into the message, but for the
 * trailers: wire_note_finish() after 0.
 */
int wire_note_decode(struct wire_note *out_note, const struct wire_message *message,
                     struct wire_why *why);
void wire_note_finish(struct wire_note *note);

/*
 * Writes what stands before the bytes of a `data`, so that the bytes themselves need no copy. At
 * most WIRE_MAX_DATA_BYTES of them. Returns how much was written.
 */
size_t wire_data_head(uint8_t out_head[WIRE_DATA_HEAD_BYTES], uint32_t id, size_t length);

void wire_put_end(struct buffer *buffer, uint32_t id, const struct wire_end *end); /* NULL: {} */
void wire_put_window(struct buffer *buffer, uint32_t id, uint64_t bytes);
void wire_put_cancel(struct buffer *buffer, uint32_t id);
void wire_put_stream_error(struct buffer *buffer, uint32_t id, int code, const char *text);

/* ---- hello ---------------------------------------------------------------------------------- */

struct wire_hello {
    struct wire_str client;
    struct wire_str version;
};

void wire_hello_encode(struct buffer *buffer, uint32_t id, const struct wire_hello *hello);
int wire_hello_decode(struct wire_hello *out_hello, const struct fetchpool_value *params,
                      struct wire_why *why);

/* ---- Pieces, for messages without a struct -------------------------------------------------- */

/* A request without params. */
void wire_put_request(struct buffer *buffer, uint32_t id, const char *method);
/* [1, id, nil, …: one value must follow. */
void wire_put_result(struct buffer *buffer, uint32_t id);
/* [1, id, [code, text], nil] */
void wire_put_error(struct buffer *buffer, uint32_t id, int code, const char *text);
/* [2, "goaway", [reason]] */
void wire_put_goaway(struct buffer *buffer, const char *reason);

void wire_put_array(struct buffer *buffer, size_t count); /* count values must follow */
void wire_put_map(struct buffer *buffer, size_t count);   /* count keys and values must follow */
void wire_put_str(struct buffer *buffer, struct wire_str str);
static inline void wire_put_text(struct buffer *buffer, const char *text)
{
    wire_put_str(buffer, wire_str_of(text));
}
void wire_put_any(struct buffer *buffer, struct wire_str bytes); /* bin if it is not UTF-8 */
void wire_put_unsigned(struct buffer *buffer, uint64_t number);
void wire_put_real(struct buffer *buffer, double number);
void wire_put_nil(struct buffer *buffer);
void wire_put_boolean(struct buffer *buffer, bool boolean);
