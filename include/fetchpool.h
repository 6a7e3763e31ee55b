/*
 * fetchpool.h: HTTP requests over the connections that one daemon keeps open for the whole host.
 *
 * A program hands a request to fetchpoold over a Unix socket; the daemon sends it over a connection
 * that is already open, whichever process opened it. This header is the whole public interface: no
 * type of any other library appears in it, and it can be used from C (C11) and C++.
 *
 *     struct fetchpool *pool = fetchpool_open(NULL);
 *     struct fetchpool_response *answer = fetchpool_get(pool, "https://example.com/");
 *     if (fetchpool_error_code(answer) == 0)
 *         fwrite(fetchpool_body(answer), 1, fetchpool_body_length(answer), stdout);
 *     fetchpool_response_free(answer);
 *     fetchpool_close(pool);
 *
 * Rules that hold for every function here:
 *   - Nothing is printed, no signal is raised (SIGPIPE included), the process is never ended.
 *   - Strings that go in are copied before the call returns; strings that come out are UTF-8 or
 *     bytes as the origin sent them, end in a NUL, and live as long as the object they came from.
 *   - Destructors (`fetchpool_close`, `..._free`) accept NULL.
 *   - Times are in milliseconds unless a name says microseconds (`_us`).
 *
 * Threads: a `struct fetchpool` may be used by any number of threads at the same time; each
 * blocking call in flight has a socket of its own. Its asynchronous half (fetchpool_submit() to
 * fetchpool_cancel(), and every `struct fetchpool_call`) belongs to one thread at a time, beside
 * which blocking calls may run in others; so does a request, a response or a value. The functions
 * of a request are called in the thread that is inside fetchpool_fetch() or fetchpool_process().
 *
 * fork(): a child may go on using a `struct fetchpool` of its parent. It opens sockets of its own
 * at its first call; the parent's are not touched. What the parent has in flight is not the
 * child's: its calls are dead there, and its descriptor is another (fetchpool_fd()).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions ------------------------------------------------------------------------------- */

/*
 * The library's version, "MAJOR.MINOR.PATCH". A static string.
 */
const char *fetchpool_version(void);

/* ---- Errors --------------------------------------------------------------------------------- */

/*
 * What went wrong, as a number to decide by. Codes below 900 come from the daemon and are those of
 * the wire protocol; the others are this library's own.
 */
enum fetchpool_code {
    FETCHPOOL_OK = 0,

    /* Refused: mend the request. Nothing was sent. */
    FETCHPOOL_BAD_REQUEST = 1,
    FETCHPOOL_DENIED = 2,         /* the daemon's configuration does not allow it */
    FETCHPOOL_TOO_LARGE = 3,      /* the message is larger than the daemon takes */
    FETCHPOOL_UNKNOWN_METHOD = 4, /* the daemon is older than this call */
    FETCHPOOL_DUPLICATE_ID = 5,   /* cannot happen through this library */

    /* Not sent: no byte of the request reached an origin that could act on it. Safe to repeat. */
    FETCHPOOL_BUSY = 100, /* too many requests wait already, or the daemon has no memory for it */
    FETCHPOOL_QUEUE_TIMEOUT = 101, /* its turn did not come; the message says what held it up */
    FETCHPOOL_RESOLVE = 102,
    FETCHPOOL_CONNECT = 103, /* also where others have failed of late: it was not tried then */
    FETCHPOOL_TLS = 104,
    FETCHPOOL_TIMEOUT = 105, /* a deadline passed before the request was sent */
    FETCHPOOL_SHUTTING_DOWN = 106,
    FETCHPOOL_PROXY = 107,
    FETCHPOOL_CANCELLED = 108,
    FETCHPOOL_NOT_PROCESSED = 109, /* the origin said that it did not look at it, by refusing its
                                      HTTP/2 stream or by a GOAWAY; the daemon has repeated it */

    /* Maybe processed: the origin may have acted on it. Repeat only what may be done twice. */
    FETCHPOOL_TIMEOUT_SENT = 200, /* a deadline passed after the request was sent */
    FETCHPOOL_CLOSED = 201,       /* the origin closed the connection without a whole answer */
    FETCHPOOL_TRUNCATED = 202,    /* the body ended early */
    FETCHPOOL_PROTOCOL = 203,     /* the answer was not HTTP as it should be */
    FETCHPOOL_BODY_TOO_LARGE = 204,
    FETCHPOOL_DECODE = 205, /* the content coding could not be undone */
    FETCHPOOL_CLIENT_TOO_SLOW = 206,
    FETCHPOOL_REDIRECTS = 207, /* more redirects than allowed */
    FETCHPOOL_CANCELLED_SENT = 208,
    FETCHPOOL_INTERNAL = 299,

    /* The library's own. */
    FETCHPOOL_NO_DAEMON = 900,     /* not sent: nothing answers at the socket, or it closed before
                                      it had read the request */
    FETCHPOOL_LOST = 901,          /* maybe processed: the daemon went away before it answered */
    FETCHPOOL_DEADLINE = 902,      /* maybe processed: the daemon did not answer in time */
    FETCHPOOL_BAD_REPLY = 903,     /* maybe processed: what answered does not speak the protocol */
    FETCHPOOL_NO_MEMORY = 904,     /* refused: this process could not allocate */
    FETCHPOOL_BAD_ARGUMENT = 905,  /* refused: NULL where something is needed */
    FETCHPOOL_STOPPED = 906,       /* maybe processed: a function of the caller's ended it, or
                                      fetchpool_close() */
    FETCHPOOL_FOREIGN_SOCKET = 907 /* refused: the socket is another user's. See fetchpool_open() */
};

/*
 * What the caller may do about an error.
 */
enum fetchpool_class {
    FETCHPOOL_CLASS_NONE = 0,           /* no error */
    FETCHPOOL_CLASS_REFUSED = 1,        /* sending the same again fails again */
    FETCHPOOL_CLASS_NOT_SENT = 2,       /* sending again can do no harm */
    FETCHPOOL_CLASS_MAYBE_PROCESSED = 3 /* sending again may do the same thing twice */
};

/*
 * The class of a code. Codes that this library does not know are classed by their range, so that a
 * newer daemon's codes are still decidable; outside every range it is "maybe processed".
 */
enum fetchpool_class fetchpool_code_class(int code);

/*
 * The name of a code, such as "CONNECT". A static string; "UNKNOWN" for a code without one.
 */
const char *fetchpool_code_name(int code);

/* ---- Client --------------------------------------------------------------------------------- */

struct fetchpool;

/*
 * Creates a client of the daemon that listens at `path`.
 *
 * path     the socket's path. NULL: $FETCHPOOL_SOCKET, else
 *          $XDG_RUNTIME_DIR/fetchpool/fetchpool.sock if that exists, else
 *          /run/fetchpool/fetchpool.sock. A path that does not fit a Unix socket address (107
 *          bytes on Linux) is reported by the first request, as FETCHPOOL_NO_DAEMON.
 *
 * Whoever has the socket reads all that is sent to it. So it must belong to root or to this
 * process's effective user, or to the user whose name or number is in $FETCHPOOL_SOCKET_OWNER, and
 * so must the process that listens there, unless it is root's socket: that is root's to hand to a
 * daemon. Else a request gets nowhere: FETCHPOOL_FOREIGN_SOCKET, with both users in the message.
 * Both variables are read here, once, and not by a set-uid program (see secure_getenv(3)).
 *
 * Returns a client that the caller owns and ends with fetchpool_close(), or NULL when memory is
 * exhausted. Opens no socket, and does not block but for looking up that name: the socket is
 * connected by the first request, and again by a later one after the daemon was restarted.
 */
struct fetchpool *fetchpool_open(const char *path);

/*
 * Closes the client's sockets and frees it. No other thread may be inside a call with it, and no
 * function of a request of its own. What is in flight of the asynchronous half ends first: on_done
 * is called with FETCHPOOL_STOPPED. Responses that came from it stay valid.
 */
void fetchpool_close(struct fetchpool *client);

/*
 * The path at which this client looks for the daemon. Lives as long as the client.
 */
const char *fetchpool_socket_path(const struct fetchpool *client);

/*
 * Says who this client is, for the daemon's `clients` table. The default is the process's name.
 * Takes effect on sockets opened later, so call it first.
 *
 * Returns 0, or FETCHPOOL_NO_MEMORY or FETCHPOOL_BAD_ARGUMENT. Not to be called while another
 * thread uses the client.
 */
int fetchpool_set_name(struct fetchpool *client, const char *name);

/* ---- Request -------------------------------------------------------------------------------- */

struct fetchpool_request;

/*
 * Creates a request.
 *
 * method   an HTTP method such as "GET" or "POST"; NULL means "GET"
 * url      absolute, http or https
 *
 * Returns a request that the caller owns and ends with fetchpool_request_free(), or NULL when
 * memory is exhausted or url is NULL. What is wrong with a method or a URL is said by the daemon,
 * in the answer to fetchpool_fetch().
 *
 * A request may be sent any number of times. If a setter below fails, the request remembers: it
 * does not have to be checked at each call, fetchpool_fetch() will refuse to send it.
 */
struct fetchpool_request *fetchpool_request_create(const char *method, const char *url);
void fetchpool_request_free(struct fetchpool_request *request);

/*
 * Adds a header field. Order and repeats are kept. Framing belongs to the daemon: Content-Length,
 * Transfer-Encoding, Connection, Keep-Alive, TE, Trailer, Upgrade, Expect and Proxy-* are refused
 * by it (FETCHPOOL_BAD_REQUEST), and so is a Host that differs from the URL's.
 *
 * Every setter returns 0, or FETCHPOOL_NO_MEMORY or FETCHPOOL_BAD_ARGUMENT.
 */
int fetchpool_request_add_header(struct fetchpool_request *request, const char *name,
                                 const char *value);

/*
 * Sets the body. The bytes are not copied: they must stay as they are until the request is freed
 * or given another body. NULL with length 0 takes the body away; a pointer with length 0 is an
 * empty body.
 */
int fetchpool_request_set_body(struct fetchpool_request *request, const void *bytes, size_t length);

/*
 * Deadlines, in milliseconds; 0 means the daemon's own (see fetchpool.conf(5), [timeouts]).
 *
 * timeout      the whole request, from fetchpool_fetch() or fetchpool_submit() to the last byte,
 *              whatever number of daemons it is sent to: the next is told what is left. The call
 *              itself returns at most FETCHPOOL_GRACE_MS later, even if the daemon hangs; the time
 *              that it spends in the caller's functions comes on top. The daemon's own runs from
 *              the arrival at a daemon
 * queue        the wait for its turn in the daemon, where a limit on connections or requests holds
 *              it up; FETCHPOOL_QUEUE_TIMEOUT. Anew for each redirect, and for each repeat by the
 *              daemon; so are connect and first_byte
 * connect      name look-up, TCP and TLS together, also where another request does these
 * first_byte   from the start of sending the request, its body included, to the end of the
 *              answer's header fields; of a streamed upload, from its end
 * idle         between two bytes of the answer, or of an upload that the origin takes
 *
 * A request that streams either way and names no `timeout` has the daemon's [timeouts] stream, a
 * day. If the daemon hangs, its call returns after a silence that is longer than the daemon's
 * [timeouts] total, or than the phases that the request names together, and FETCHPOOL_GRACE_MS.
 */
int fetchpool_request_set_timeout(struct fetchpool_request *request, uint32_t timeout_ms);
int fetchpool_request_set_queue_timeout(struct fetchpool_request *request, uint32_t timeout_ms);
int fetchpool_request_set_connect_timeout(struct fetchpool_request *request, uint32_t timeout_ms);
int fetchpool_request_set_first_byte_timeout(struct fetchpool_request *request,
                                             uint32_t timeout_ms);
int fetchpool_request_set_idle_timeout(struct fetchpool_request *request, uint32_t timeout_ms);

/*
 * How much longer than a request's timeout a call waits for the daemon to say that it has passed.
 * Long enough for a loaded host to schedule the daemon; the daemon itself answers in milliseconds.
 */
#define FETCHPOOL_GRACE_MS 2000

/*
 * The timeout that a call waits for where neither the request nor the daemon names one: the
 * default of the daemon's [timeouts] total.
 */
#define FETCHPOOL_DEFAULT_TIMEOUT_MS 300000

/*
 * The largest response body to accept, in bytes. More ends the request with
 * FETCHPOOL_BODY_TOO_LARGE. 0, the default, means the daemon's limit, which also is the most that
 * may be asked for; of a streamed body it means that there is none.
 */
int fetchpool_request_set_max_body(struct fetchpool_request *request, uint64_t bytes);

/*
 * How many redirects (301, 302, 303, 307, 308) to follow. 0, the default: none, the redirect is
 * the answer. Authorization and Cookie are not sent on to another origin.
 */
int fetchpool_request_set_redirects(struct fetchpool_request *request, uint32_t count);

/*
 * Asks for a compressed answer and undoes the compression. Default: no. The header fields of the
 * answer stay as the origin sent them.
 */
int fetchpool_request_set_decompress(struct fetchpool_request *request, int yes);

enum fetchpool_http {
    FETCHPOOL_HTTP_AUTO = 0, /* HTTP/2 where TLS negotiates it, else HTTP/1.1 */
    FETCHPOOL_HTTP_1_1 = 1,
    FETCHPOOL_HTTP_2 = 2 /* HTTP/2 or an error; for http:// URLs with prior knowledge */
};
int fetchpool_request_set_http(struct fetchpool_request *request, enum fetchpool_http version);

/*
 * What the daemon may send again by itself: at most twice, at once, on a new connection, inside the
 * request's deadlines, and within a budget of the origin ([pool] retry_budget). What the origin may
 * have acted on, only if not a line of an answer came; a streamed upload only while nothing of it
 * is gone. An error means that this was done already.
 */
enum fetchpool_retry {
    FETCHPOOL_RETRY_SAFE = 0, /* what the origin cannot have acted on, of any method; and the
                                 idempotent ones: GET, HEAD, OPTIONS, TRACE, PUT, DELETE */
    FETCHPOOL_RETRY_NEVER = 1,
    FETCHPOOL_RETRY_ALWAYS = 2 /* every method: a POST may reach the origin more than once */
};
int fetchpool_request_set_retry(struct fetchpool_request *request, enum fetchpool_retry retry);

/*
 * TLS, all as PEM text in memory (the daemon opens no file on a client's behalf). NULL: the
 * default again. These bytes are copied.
 *
 * ca            the only certificate authorities to trust, in place of the daemon's
 * certificate, key   a client certificate (with its chain) and its private key, unencrypted
 * server_name   the name to ask for and to verify, where it differs from the URL's host
 * verify        0: accept any certificate, where the daemon's configuration allows it
 */
int fetchpool_request_set_tls_ca(struct fetchpool_request *request, const char *pem);
int fetchpool_request_set_tls_identity(struct fetchpool_request *request, const char *certificate,
                                       const char *key);
int fetchpool_request_set_tls_server_name(struct fetchpool_request *request, const char *name);
int fetchpool_request_set_tls_verify(struct fetchpool_request *request, int verify);

/*
 * The proxy to go through, as http://, https:// or socks5h:// URL, where the daemon's
 * configuration allows clients to choose one. NULL: the daemon's.
 */
int fetchpool_request_set_proxy(struct fetchpool_request *request, const char *url);

/*
 * A word for the daemon's log and its `clients` table.
 */
int fetchpool_request_set_tag(struct fetchpool_request *request, const char *tag);

/* ---- Streaming ------------------------------------------------------------------------------ */

struct fetchpool_response;

/*
 * Functions of the caller's, called while a request runs: from inside fetchpool_fetch() or
 * fetchpool_process(), in the thread that called that. They may call whatever reads a response,
 * and the calls of the asynchronous half below that say so; a blocking call with another request
 * is allowed too. They must not close the client.
 *
 * on_headers  the answer's status and header fields are in. `head` has no body and lives during
 *             the call. Called once, before any on_body; also for a request that is not streamed.
 *             Not for an error that comes instead of an answer.
 * on_body     a piece of the body, in order, 1 byte to 64 KiB. `bytes` live during the call.
 * on_read     the next piece of an upload is wanted: write at most `size` bytes into `buffer` and
 *             return how many; 0 is the end; or one of the two below. `size` is at most 32 KiB. It
 *             may wait for its bytes in fetchpool_fetch(), where nothing else of the request goes
 *             on meanwhile: an answer that comes early is noticed when it returns.
 *
 * on_headers and on_body return 0 to go on. Anything else ends the request: it is cancelled at the
 * origin, and its response is FETCHPOOL_STOPPED. `errno` is then as the function has left it, when
 * fetchpool_fetch() returns or on_done is called.
 */
typedef int (*fetchpool_on_headers)(void *ctx, const struct fetchpool_response *head);
typedef int (*fetchpool_on_body)(void *ctx, const void *bytes, size_t length);
typedef ptrdiff_t (*fetchpool_on_read)(void *ctx, void *buffer, size_t size);

#define FETCHPOOL_READ_STOP (-1) /* end the request: FETCHPOOL_STOPPED */
#define FETCHPOOL_READ_LATER                                                                       \
    (-2) /* nothing yet: ask again after fetchpool_resume(). Not in                                \
            fetchpool_fetch(), where it is the same as _STOP */

int fetchpool_request_set_on_headers(struct fetchpool_request *request,
                                     fetchpool_on_headers on_headers, void *ctx);

/*
 * Streams the response body: it is handed to on_body as it comes, never held as a whole, and
 * fetchpool_body() is empty. It has no limit but fetchpool_request_set_max_body(). NULL: the body
 * is collected again.
 */
int fetchpool_request_set_on_body(struct fetchpool_request *request, fetchpool_on_body on_body,
                                  void *ctx);

/*
 * Streams the request body from on_read, in place of fetchpool_request_set_body(). `size` is its
 * length in bytes, or FETCHPOOL_SIZE_UNKNOWN; a body that turns out longer or shorter ends the
 * request with FETCHPOOL_STOPPED, and no origin takes it for complete. on_read is asked for its end
 * also where the length is known. NULL: no body again.
 *
 * An origin may answer before it has read all: the request is over then, and on_read is not called
 * any more.
 *
 * The request is sent again by itself only while on_read has not been called. A redirect that asks
 * for the body once more, when some of it has gone, is FETCHPOOL_REDIRECTS.
 */
#define FETCHPOOL_SIZE_UNKNOWN UINT64_MAX
int fetchpool_request_set_upload(struct fetchpool_request *request, fetchpool_on_read on_read,
                                 void *ctx, uint64_t size);

/*
 * The two above, to and from a file. It is borrowed, used from where it stands, and not closed; a
 * failed write or read ends the request with FETCHPOOL_STOPPED, and errno says why; a signal that
 * interrupts a write is such a failure of a FILE (EINTR), not of a descriptor. A descriptor
 * may be a pipe or a socket; where it is in non-blocking mode, it is waited for, also inside
 * fetchpool_process(), for which only regular files are fit. What is in the buffer of a FILE is
 * its owner's to flush. The status is not looked at: a 404's body goes there too.
 */
int fetchpool_request_set_output_file(struct fetchpool_request *request, FILE *file);
int fetchpool_request_set_output_fd(struct fetchpool_request *request, int fd);
int fetchpool_request_set_upload_file(struct fetchpool_request *request, FILE *file, uint64_t size);
int fetchpool_request_set_upload_fd(struct fetchpool_request *request, int fd, uint64_t size);

/*
 * How many body bytes the daemon may send ahead of what on_body has returned from. 0, the default:
 * 256 KiB, the protocol's. Smaller windows save memory, larger ones help where on_body is called
 * rarely.
 */
int fetchpool_request_set_window(struct fetchpool_request *request, uint64_t bytes);

/* ---- Fetch ---------------------------------------------------------------------------------- */

/*
 * Sends the request and waits for the whole answer.
 *
 * Never returns NULL: a failure is a response with a code. The caller owns the response and ends
 * it with fetchpool_response_free(). An HTTP status such as 404 or 500 is not an error.
 *
 * Blocks until the answer is there or a deadline has passed. Safe from any thread.
 *
 * If the daemon has been restarted, the call connects again; it sends again by itself only what
 * is in the class "not sent".
 */
struct fetchpool_response *fetchpool_fetch(struct fetchpool *client,
                                           const struct fetchpool_request *request);

/*
 * fetchpool_fetch() of a plain GET.
 */
struct fetchpool_response *fetchpool_get(struct fetchpool *client, const char *url);

void fetchpool_response_free(struct fetchpool_response *response);

/*
 * The error: 0 and "" if there is none. The message is a sentence that names what failed.
 */
int fetchpool_error_code(const struct fetchpool_response *response);
enum fetchpool_class fetchpool_error_class(const struct fetchpool_response *response);
const char *fetchpool_error_message(const struct fetchpool_response *response);

/*
 * The answer. After an error: status 0, no header fields, an empty body, version and URL "". An
 * error that comes after the header fields of a streamed answer leaves these as they are.
 *
 * status       the HTTP status code
 * http_version "1.0", "1.1" or "2"
 * url          the one that answered, after redirects
 * redirects    how many were followed
 */
int fetchpool_status(const struct fetchpool_response *response);
const char *fetchpool_http_version(const struct fetchpool_response *response);
const char *fetchpool_url(const struct fetchpool_response *response);
uint32_t fetchpool_redirects(const struct fetchpool_response *response);

/*
 * Header fields, in the order in which the origin sent them, repeats included.
 *
 * fetchpool_header() gives the first field of that name, compared without regard to case, or NULL.
 * The by-index forms give NULL past the end.
 */
size_t fetchpool_header_count(const struct fetchpool_response *response);
const char *fetchpool_header_name(const struct fetchpool_response *response, size_t index);
const char *fetchpool_header_value(const struct fetchpool_response *response, size_t index);
const char *fetchpool_header(const struct fetchpool_response *response, const char *name);

/*
 * The body. Never NULL; ends in a NUL that the length does not count.
 */
const void *fetchpool_body(const struct fetchpool_response *response);
size_t fetchpool_body_length(const struct fetchpool_response *response);

/*
 * How many bytes the body had, streamed or not: so far, after an error.
 */
uint64_t fetchpool_body_bytes(const struct fetchpool_response *response);

/*
 * Trailer fields: header fields that came after a streamed body. None where it was not streamed.
 * By index and by name as header fields are.
 */
size_t fetchpool_trailer_count(const struct fetchpool_response *response);
const char *fetchpool_trailer_name(const struct fetchpool_response *response, size_t index);
const char *fetchpool_trailer_value(const struct fetchpool_response *response, size_t index);
const char *fetchpool_trailer(const struct fetchpool_response *response, const char *name);

/*
 * The connection that carried the answer.
 *
 * id         the daemon's number for it: equal for two requests that shared a connection
 * reused     1 if it was open before this request came
 * requests   how many it has carried, this one included
 * age_ms     how long it has been open
 * peer       "address:port" of its far end
 */
uint64_t fetchpool_connection_id(const struct fetchpool_response *response);
int fetchpool_connection_reused(const struct fetchpool_response *response);
uint64_t fetchpool_connection_requests(const struct fetchpool_response *response);
uint64_t fetchpool_connection_age_ms(const struct fetchpool_response *response);
const char *fetchpool_connection_peer(const struct fetchpool_response *response);

/*
 * Where the time went, in microseconds, as the daemon measured it. The phases are durations, not
 * points in time; over a reused connection resolve, connect and tls are 0. With redirects, and
 * where the daemon sent the request again, they are sums. What `total` has beyond their sum is the
 * transfer of the body.
 */
struct fetchpool_timing {
    uint64_t queue_us;      /* waiting for a turn or for a connection that another was opening */
    uint64_t resolve_us;    /* name look-up */
    uint64_t connect_us;    /* TCP */
    uint64_t tls_us;        /* TLS handshake */
    uint64_t first_byte_us; /* from the request's being sent to the first byte of the answer */
    uint64_t total_us;      /* from the request's arrival at the daemon to the last byte */
};
struct fetchpool_timing fetchpool_timing(const struct fetchpool_response *response);

/* ---- The asynchronous half: for a program with an event loop -------------------------------- */

/*
 * Any number of requests at once over one socket, without threads. The program waits for one
 * descriptor in its own loop and calls fetchpool_process() when it is ready:
 *
 *     fetchpool_submit(pool, request, on_done, NULL, NULL);
 *     struct pollfd ready = {.fd = fetchpool_fd(pool), .events = fetchpool_events(pool)};
 *     while (fetchpool_in_flight(pool) > 0) {
 *         poll(&ready, 1, -1);
 *         fetchpool_process(pool);
 *     }
 *
 * None of these functions blocks, connecting included. If the daemon goes away, what it has not
 * read is sent again over a new socket, nine times at most, as fetchpool_fetch() does; the rest
 * ends with FETCHPOOL_LOST. One thread at a time may use this half of a client; blocking calls from
 * other threads are not disturbed by it. After fork() a child has to ask for its own descriptor;
 * requests in flight are its parent's.
 */
struct fetchpool_call;

/*
 * A request has ended. Called once for each that was submitted, from fetchpool_process() or, for
 * those still in flight then, fetchpool_close(); never from fetchpool_submit(). The function owns
 * the response; the call is dead when it returns. It may submit other requests.
 */
typedef void (*fetchpool_on_done)(void *ctx, struct fetchpool_call *call,
                                  struct fetchpool_response *response);

/*
 * Starts a request. Its functions for streaming are those of the request, which may be freed when
 * this returns (a body set with fetchpool_request_set_body() included: it has been copied).
 *
 * out_call  for fetchpool_cancel() and its like; may be NULL
 *
 * Returns 0, and on_done will be called; or FETCHPOOL_BAD_ARGUMENT, FETCHPOOL_NO_MEMORY (for want
 * of descriptors, too), FETCHPOOL_TOO_LARGE, or inside fetchpool_close() FETCHPOOL_STOPPED, and it
 * will not. A daemon that cannot be reached is said by on_done.
 *
 * Any number may be in flight. The daemon takes [limits] requests_per_client of them at once; the
 * others wait here, each at most for the timeout that it names: FETCHPOOL_QUEUE_TIMEOUT.
 */
int fetchpool_submit(struct fetchpool *client, const struct fetchpool_request *request,
                     fetchpool_on_done on_done, void *ctx, struct fetchpool_call **out_call);

/*
 * The descriptor to wait for, and for which events of poll(2): always POLLIN. Both stay the same
 * for as long as the client lives, through reconnects too; timeouts make it ready as well. Not to
 * be read, written or closed. -1 if there is none for want of descriptors.
 */
int fetchpool_fd(struct fetchpool *client);
short fetchpool_events(const struct fetchpool *client);

/*
 * Sends and receives what can be without waiting, and calls the functions that this concerns.
 * Returns how many requests are in flight. It receives about a MiB at most: if more is there, the
 * descriptor stays ready. Inside such a function it does nothing.
 */
size_t fetchpool_process(struct fetchpool *client);
size_t fetchpool_in_flight(const struct fetchpool *client);

/*
 * Pausing stops on_body and on_read of one request, until it is resumed; the others go on. What
 * the daemon may still send is bounded by the window, and handed over by a fetchpool_process()
 * after fetchpool_resume(). The daemon ends a request that is paused for longer than its [timeouts]
 * client_stall; that on_done does not wait. From anywhere, also from inside the request's
 * functions. NULL does nothing.
 */
void fetchpool_pause(struct fetchpool_call *call);
void fetchpool_resume(struct fetchpool_call *call);

/*
 * Ends a request, at its origin too. on_done comes soon, with FETCHPOOL_CANCELLED if nothing had
 * been sent, FETCHPOOL_CANCELLED_SENT if it may have been, or what the daemon said before it heard
 * of it. No other function of the request is called any more. A daemon that says nothing is waited
 * for FETCHPOOL_GRACE_MS. NULL does nothing.
 */
void fetchpool_cancel(struct fetchpool_call *call);

/* ---- Asking the daemon about itself --------------------------------------------------------- */

/*
 * Calls one of the daemon's informative methods: "hello", "ping", "stats", "connections",
 * "origins", "clients". What it returned is in fetchpool_result(). Blocks at most timeout_ms; 0
 * means FETCHPOOL_QUERY_TIMEOUT_MS. Returned, owned and freed like a fetch's response.
 */
struct fetchpool_response *fetchpool_query(struct fetchpool *client, const char *method,
                                           uint32_t timeout_ms);

/*
 * Asks what would be said to a request, without sending it: whether the daemon's policy allows it,
 * and which rule decides. Nothing of it reaches an origin or a proxy; the host's name, or that of
 * the proxy that the request chooses, is looked up. fetchpool_result() is a map:
 *
 * verdict    "allowed"; "denied"; "reported": it would be sent, and logged, for its policy only
 *            reports what it would deny
 * policy     the name of the policy that holds for this user
 * rule       what is against it, "" if nothing is
 * addresses  an array of maps: each `address` of the host, with its `verdict` and its `rule`
 *
 * Body, upload and functions of the request do not matter. Blocks as fetchpool_fetch() does.
 * FETCHPOOL_UNKNOWN_METHOD if the daemon is older than this call. Returned, owned and freed like a
 * fetch's response.
 */
struct fetchpool_response *fetchpool_check(struct fetchpool *client,
                                           const struct fetchpool_request *request);

/*
 * How long a query waits by default. The daemon answers these at once; more means that it hangs.
 */
#define FETCHPOOL_QUERY_TIMEOUT_MS 5000

/*
 * A value as the daemon sent it: read-only, owned by its response.
 */
struct fetchpool_value;

enum fetchpool_type {
    FETCHPOOL_NIL,
    FETCHPOOL_BOOLEAN,
    FETCHPOOL_INTEGER,
    FETCHPOOL_REAL,
    FETCHPOOL_STRING,
    FETCHPOOL_ARRAY,
    FETCHPOOL_MAP
};

/*
 * The result of a query; NULL after an error, and for a fetch.
 */
const struct fetchpool_value *fetchpool_result(const struct fetchpool_response *response);

/*
 * Every function here takes NULL for a nil value, so that look-ups can be chained.
 *
 * type      its type
 * length    elements of an array, pairs of a map, bytes of a string; 0 for anything else
 * integer   a boolean or a number as an integer (beyond the range of int64_t: its nearest end);
 *           0 for anything else
 * real      a number as a double; 0 for anything else
 * string    the bytes of a string, not ended by a NUL: see length. NULL for anything else
 * at        the element of an array, or the value of a map's pair, at an index; NULL past the end
 * key_at    the key of a map's pair at an index; NULL past the end
 * get       the value in a map under a key; NULL if there is none
 */
enum fetchpool_type fetchpool_value_type(const struct fetchpool_value *value);
size_t fetchpool_value_length(const struct fetchpool_value *value);
int64_t fetchpool_value_integer(const struct fetchpool_value *value);
double fetchpool_value_real(const struct fetchpool_value *value);
const char *fetchpool_value_string(const struct fetchpool_value *value);
const struct fetchpool_value *fetchpool_value_at(const struct fetchpool_value *value, size_t index);
const struct fetchpool_value *fetchpool_value_key_at(const struct fetchpool_value *value,
                                                     size_t index);
const struct fetchpool_value *fetchpool_value_get(const struct fetchpool_value *value,
                                                  const char *key);

#ifdef __cplusplus
}
#endif
