/*
 * request: what is to be asked of an origin, checked and owned. It is made from what a client sent
 * (struct wire_fetch), which is refused with a sentence where it would let one client steer
 * another's traffic on a shared connection: framing is the daemon's alone. A redirect makes the
 * next request from this one.
 *
 * Pure but for memory: no I/O, no clock. It does not know who asks, nor how the request is sent.
 */
#pragma once

#include "config.h"
#include "fetchpool_wire.h"
#include "field_list.h"
#include "policy.h"
#include "url.h"
#include "url_memo.h"

/* Far more than any method has; the longest that is registered has 17. */
#define REQUEST_MOST_METHOD_BYTES 64

struct request {
    struct url url;
    char method[REQUEST_MOST_METHOD_BYTES + 1];
    struct field_list fields; /* without Host: it is the URL's */
    uint8_t *body;            /* NULL: none */
    size_t body_length;
    uint64_t upload_size; /* WIRE_UNSET: unknown */
    uint64_t window_bytes;
    bool has_upload;     /* its body comes in pieces, from elsewhere */
    bool asks_not_first; /* its origin does not want to be asked whether it takes the upload */
    bool is_streamed;    /* the answer's body goes out in pieces */
    bool wants_decoding;
    bool is_tls_unverified;
    bool is_proxy_clients; /* not the configuration's: then with the three that follow */
    uint16_t proxy_port;
    const char *proxy_scheme; /* "http", "https" or "socks5h" */
    char *proxy_host;
    char *proxy; /* NULL: none */

    char *tls_ca, *tls_cert, *tls_key; /* PEM; NULL: none */
    char *tls_server_name;             /* NULL: the URL's host */
    char *tag;                         /* NULL: none */

    enum wire_http http;
    enum wire_retry retry;
    uint64_t max_body_bytes;
    uint64_t redirects_left;

    uint64_t total_timeout_ms;
    uint64_t queue_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t first_byte_timeout_ms;
    uint64_t idle_timeout_ms;
};

/*
 * `urls`: what is known of authorities; NULL: nothing is remembered.
 *
 * Checks and copies. Returns 0 and an owned request, or FETCHPOOL_BAD_REQUEST with the reason, or
 * FETCHPOOL_BUSY without memory. Whether the client may ask for it is not looked at.
 */
int request_create(struct request **out_request, const struct wire_fetch *fetch,
                   const struct config *config, struct url_memo *urls, struct wire_why *why);
void request_destroy(struct request *request);

/* Does this status with a Location mean that the request is to be repeated elsewhere? */
bool request_is_redirect(unsigned status);

/*
 * Turns the request into the one that a redirect asks for: another URL; for 303, and for a POST
 * after 301 and 302, a GET without body; to another origin without Authorization and Cookie.
 * Returns 0, or a code with the reason as above; after an error the request is as it was.
 */
int request_redirect(struct request *request, unsigned status, struct wire_str location,
                     const struct config *config, struct wire_why *why);

/* Does a redirect with this status make a GET without body of it? */
bool request_redirect_loses_body(const struct request *request, unsigned status);

/* May the same request be made twice without a difference (RFC 9110, 9.2.2)? */
bool request_is_idempotent(const struct request *request);

/* Does it ask for nothing but an answer (RFC 9110, 9.2.1)? */
bool request_is_safe(const struct request *request);

/*
 * Does its connection carry an identity, so that nobody else may use it? A client certificate is
 * one, and so are credentials for a proxy that the client chose.
 */
bool request_has_identity(const struct request *request);

/* A name for that identity by which it cannot be guessed without the salt: as hexadecimal text. */
#define REQUEST_SALT_BYTES     32
#define REQUEST_IDENTITY_BYTES 65
int request_identity(const struct request *request, const uint8_t salt[REQUEST_SALT_BYTES],
                     char out_text[REQUEST_IDENTITY_BYTES]);

/*
 * Does it ask with credentials that hold for all of its connection (NTLM, Negotiate)? Then nobody
 * may use that again, not even the same user.
 */
bool request_binds_connection(const struct request *request);

/* Does it say itself whom to trust, or by which way to go? */
bool request_has_terms(const struct request *request);

/* What a policy is asked about. Views of the request. */
struct policy_request request_question(const struct request *request);

/*
 * What it says itself about trust and ways, as one text, owned: requests may share a connection if
 * theirs are equal, and so are their identities. NULL where it leaves that to the configuration. 0,
 * or FETCHPOOL_BUSY without memory. A host, a proxy's URL and PEM hold no line break at their ends,
 * so that no two differ and read the same.
 */
int request_terms(const struct request *request, char **out_terms);
