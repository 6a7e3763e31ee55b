/* transfer_error: see transfer_error.h. */
#include "transfer_error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUTHORITY_BYTES 300

void transfer_error_authority(const struct request *request, char *out_text, size_t size)
{
    snprintf(out_text, size, "%s:%u", request->url.host, request->url.port);
}

/*
 * The system's word for what happened at the socket, else libcurl's, in lower case. libcurl keeps
 * the errno of an attempt at another address, so it says something of failed connects only.
 */
static void cause_of(const struct transfer_failure *failure, char *out_text, size_t size)
{
    long number = 0;
    if (failure->code == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(failure->easy, CURLINFO_OS_ERRNO, &number);
    if (number != 0)
        snprintf(out_text, size, "%s", strerror((int)number));
    else
        snprintf(out_text, size, "%s",
                 failure->detail[0] ? failure->detail : curl_easy_strerror(failure->code));
    out_text[0] = (char)tolower((unsigned char)out_text[0]);
}

/* libcurl's sentence, or its word for the code. */
static const char *detail_of(const struct transfer_failure *failure)
{
    return failure->detail[0] ? failure->detail : curl_easy_strerror(failure->code);
}

static int proxy_failed(const struct transfer_failure *failure, struct wire_why *why)
{
    char proxy[300] = "?", cause[256]; /* not its URL, which may hold a password */
    url_proxy_authority(failure->request->proxy, proxy, sizeof proxy);
    cause_of(failure, cause, sizeof cause);
    if (failure->code == CURLE_COULDNT_CONNECT)
        wire_why_set(why, "connect to proxy %s failed: %s", proxy, cause);
    else
        wire_why_set(why, "proxy %s: %s", proxy, detail_of(failure));
    return FETCHPOOL_PROXY;
}

static int connect_failed(const struct transfer_failure *failure, const char *authority,
                          struct wire_why *why)
{
    char cause[256];
    if (failure->is_denied) {
        wire_why_set(why, "connect to %s: none of its addresses is allowed", authority);
        return FETCHPOOL_DENIED;
    }
    if (failure->lacks_socket) {
        wire_why_set(why, "connect to %s: the daemon has no descriptor left for it", authority);
        return FETCHPOOL_BUSY;
    }
    if (failure->request->proxy)
        return proxy_failed(failure, why);
    cause_of(failure, cause, sizeof cause);
    wire_why_set(why, "connect to %s failed: %s%s", authority, cause,
                 failure->is_denied_in_part ? "; others of its addresses are denied" : "");
    return FETCHPOOL_CONNECT;
}

/* The connection broke. How much of the answer was in decides what that is. */
static int broke(const struct transfer_failure *failure, const char *authority,
                 struct wire_why *why)
{
    char cause[256];
    if (!failure->is_sent)
        return connect_failed(failure, authority, why);
    if (failure->death)
        snprintf(cause, sizeof cause, "%s", failure->death);
    else
        cause_of(failure, cause, sizeof cause);
    if (failure->has_head) {
        wire_why_set(why, "the answer of %s ended early: %s", authority, cause);
        return FETCHPOOL_TRUNCATED;
    }
    if (!failure->has_answer && failure->code == CURLE_GOT_NOTHING) {
        wire_why_set(why, WIRE_SAYS_EMPTY "%s: it closed the connection", authority);
        return FETCHPOOL_CLOSED;
    }
    wire_why_set(why, "%s closed the connection before its answer: %s", authority, cause);
    return FETCHPOOL_CLOSED;
}

static int not_http(const struct transfer_failure *failure, const char *authority,
                    struct wire_why *why)
{
    wire_why_set(why, "the answer of %s is not HTTP as it should be: %s", authority,
                 detail_of(failure));
    return FETCHPOOL_PROTOCOL;
}

static int stopped_by_us(const struct transfer_failure *failure, const char *authority,
                         struct wire_why *why)
{
    if (failure->is_head_too_large) {
        wire_why_set(why, "the header fields of %s are larger than %zu bytes", authority,
                     failure->max_head_bytes);
        return FETCHPOOL_PROTOCOL;
    }
    if (failure->is_length_ambiguous) {
        wire_why_set(why,
                     "the answer of %s is not HTTP as it should be: its Content-Length is "
                     "not one number",
                     authority);
        return FETCHPOOL_PROTOCOL;
    }
    wire_why_set(why, "the daemon is out of memory");
    return failure->is_sent ? FETCHPOOL_INTERNAL : FETCHPOOL_BUSY;
}

static int handshake_failed(const struct transfer_failure *failure, const char *authority,
                            struct wire_why *why)
{
    if (failure->code == CURLE_PEER_FAILED_VERIFICATION)
        wire_why_set(why, WIRE_SAYS_CERTIFICATE "%s is not trusted: %s", authority,
                     detail_of(failure));
    else
        wire_why_set(why, "TLS with %s failed: %s", authority, detail_of(failure));
    return FETCHPOOL_TLS;
}

/* PEM that the client gave, or a file of the daemon's own, that could not be read. */
static int bad_credentials(const struct transfer_failure *failure, struct wire_why *why)
{
    bool is_clients = failure->code == CURLE_SSL_CERTPROBLEM || failure->request->tls_ca;
    if (!is_clients) {
        wire_why_set(why, "the daemon's trust store cannot be used: %s", detail_of(failure));
        return FETCHPOOL_TLS;
    }
    wire_why_set(why, "%s cannot be used: %s",
                 failure->code == CURLE_SSL_CERTPROBLEM ? "tls.cert with tls.key" : "tls.ca",
                 detail_of(failure));
    return FETCHPOOL_BAD_REQUEST;
}

static int timed_out(const struct transfer_failure *failure, const char *authority,
                     struct wire_why *why)
{
    wire_why_set(why, "connect to %s timed out: %s", authority, detail_of(failure));
    return failure->is_sent ? FETCHPOOL_TIMEOUT_SENT : FETCHPOOL_TIMEOUT;
}

static bool is_proxys_doing(const struct transfer_failure *failure)
{
    return failure->request->proxy && !failure->is_sent &&
           (failure->code == CURLE_RECV_ERROR || failure->code == CURLE_SEND_ERROR ||
            failure->code == CURLE_GOT_NOTHING);
}

static int look_up_failed(const struct transfer_failure *failure, struct wire_why *why)
{
    wire_why_set(why, "look up %s failed: %s", failure->request->url.host, detail_of(failure));
    return FETCHPOOL_RESOLVE;
}

static int not_decodable(const struct transfer_failure *failure, const char *authority,
                         struct wire_why *why)
{
    wire_why_set(why, "the content coding of %s cannot be undone: %s", authority,
                 detail_of(failure));
    return FETCHPOOL_DECODE;
}

static int failed_otherwise(const struct transfer_failure *failure, const char *authority,
                            struct wire_why *why)
{
    wire_why_set(why, "request to %s failed: %s", authority, detail_of(failure));
    return failure->is_sent ? FETCHPOOL_INTERNAL : FETCHPOOL_CONNECT;
}

static int translate(const struct transfer_failure *failure, const char *authority,
                     struct wire_why *out_why)
{
    if (is_proxys_doing(failure))
        return proxy_failed(failure, out_why);
    switch (failure->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return look_up_failed(failure, out_why);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return proxy_failed(failure, out_why);
    case CURLE_COULDNT_CONNECT:
        return connect_failed(failure, authority, out_why);
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(failure, authority, out_why);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return handshake_failed(failure, authority, out_why);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return bad_credentials(failure, out_why);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
        return broke(failure, authority, out_why);
    case CURLE_HTTP2: /* without a word of libcurl's it is the end of the connection */
        return failure->detail[0] ? not_http(failure, authority, out_why)
                                  : broke(failure, authority, out_why);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_LARGE:
        return not_http(failure, authority, out_why);
    case CURLE_BAD_CONTENT_ENCODING:
        return not_decodable(failure, authority, out_why);
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR:
    case CURLE_OUT_OF_MEMORY:
        return stopped_by_us(failure, authority, out_why);
    default: /* libcurl grows codes; those of an option or a callback of ours are our own fault */
        return failed_otherwise(failure, authority, out_why);
    }
}

/* libcurl wanted to send it again and got no socket: what it says of that is not the reason. */
static int withheld(const struct transfer_failure *failure, const char *authority,
                    struct wire_why *out_why)
{
    if (failure->is_not_processed) {
        wire_why_set(out_why, "%s did not process it: it refused the stream or is going away",
                     authority);
        return FETCHPOOL_NOT_PROCESSED;
    }
    wire_why_set(out_why, "%s closed the connection before its answer%s%s", authority,
                 failure->death ? ": " : "", failure->death ? failure->death : "");
    return FETCHPOOL_CLOSED;
}

int transfer_error_translate(const struct transfer_failure *failure, struct wire_why *out_why)
{
    char authority[AUTHORITY_BYTES];
    transfer_error_authority(failure->request, authority, sizeof authority);
    if (failure->is_unplaced) {
        wire_why_set(out_why, "the connections to %s are closed as soon as they are to be used",
                     authority);
        return FETCHPOOL_NOT_PROCESSED;
    }
    if (failure->is_withheld || failure->is_not_processed)
        return withheld(failure, authority, out_why);
    return translate(failure, authority, out_why);
}
