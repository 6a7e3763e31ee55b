/* config_keys: the table of keys, but for those of origins and policies; see config.h. */
#include "config_internal.h"

#define KIB        CONFIG_KIB
#define MIB        CONFIG_MIB
#define GIB        CONFIG_GIB
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
    {"daemon", "log_urls", CONFIG_URLS, AT(log_urls), "path", 0, 0,
     "What the log and the access log show of URLs: origin is scheme, host and port; path is all "
     "but the query; full is all. Values of header fields and bodies are never logged."},
    {"daemon", "log_buffer", CONFIG_BYTES, AT(log_buffer_bytes), "256KiB", 32 * KIB, GIB,
     "Lines that wait to be written, of the log and of the access log, each: where a reader or a "
     "disk is slower. What finds no room is lost, counted (log_lines_dropped, "
     "access_lines_dropped of stats) and said to be missing; nobody waits."},
    {"daemon", "access_log", CONFIG_FILE, AT(access_log), NULL, 0, 0,
     "A file to which a line of JSON is added for each fetch that ended, see ACCESS LOG in "
     "fetchpoold(8). Made with mode 0640; opened again at a reload. May be a FIFO. Default: none."},
    {"daemon", "core_dumps", CONFIG_BOOLEAN, AT(core_dumps), "no", 0, 0,
     "Whether a crash may leave a core dump (prctl(2), PR_SET_DUMPABLE): it would hold clients' "
     "keys and bodies."},

    {"pool", "max_connections", CONFIG_COUNT, AT(max_connections), "2048", 1, 100000,
     "Connections to origins, in use or not. Where one more is needed, the one that has been idle "
     "for longest is closed; if none is idle, the request waits. Lowered at start-up where the "
     "limit on descriptors (LimitNOFILE) is too small for it."},
    {"pool", "connections_per_origin", CONFIG_COUNT, AT(connections_per_origin), "256", 1, 100000,
     "The same for one origin (scheme, host and port)."},
    {"pool", "streams_per_connection", CONFIG_COUNT, AT(streams_per_connection), "100", 1, 1000,
     "Requests at a time on one HTTP/2 connection. An origin that allows fewer is obeyed."},
    {"pool", "lookups", CONFIG_COUNT, AT(lookups), "32", 1, 1000,
     "Names that are looked up at a time; each takes a thread. One user gets at most half of them. "
     "One name is looked up once, however many requests wait for it."},
    {"pool", "threads", CONFIG_COUNT, AT(threads), "1", 1, CONFIG_MOST_THREADS,
     "Threads that do what libcurl has to do: TLS, HTTP, system calls. Origins are shared out to "
     "them, so requests to one do not get faster by more; limits hold for all together. Everything "
     "else is done by the first. More than 1 pays where one processor is not enough."},
    {"pool", "idle_timeout", CONFIG_DURATION, AT(pool_idle_timeout_ms), "55s", 1000, DAY_MS,
     "A connection unused for longer is closed. Below what servers close at: 60s and 75s are "
     "common. Where an origin says (Keep-Alive: timeout=) or shows that it closes earlier, that "
     "holds for its connections, less a margin."},
    {"pool", "lifetime", CONFIG_DURATION, AT(pool_lifetime_ms), "10m", 1000, 30 * DAY_MS,
     "A connection older than this gets no more requests, and is closed when those that run on it "
     "have ended, so that a name that moved is followed."},
    {"pool", "dns_ttl", CONFIG_DURATION, AT(dns_ttl_ms), "60s", 0, DAY_MS,
     "How long a looked-up name is believed, in whole seconds, rounded up."},
    {"pool", "h2_ping_timeout", CONFIG_DURATION, AT(h2_ping_timeout_ms), "10s", 0, HOUR_MS,
     "An HTTP/2 connection on which something is waited for and nothing comes is pinged after a "
     "quarter of this time; it is given up if no answer has come by the end of it. 0: no pings."},
    {"pool", "tcp_user_timeout", CONFIG_DURATION, AT(tcp_user_timeout_ms), "10s", 0, HOUR_MS,
     "A connection on which bytes were sent that the far end has not acknowledged for so long is "
     "given up (as by TCP_USER_TIMEOUT, tcp(7), but not while it is there and has no room). 0: the "
     "system's own way, some 15 minutes."},
    {"pool", "tcp_keepalive", CONFIG_DURATION, AT(tcp_keepalive_ms), "30s", 0, DAY_MS,
     "After so long without a segment TCP asks whether the far end is there (TCP_KEEPIDLE), in "
     "whole seconds. 0: never."},
    {"pool", "failing_least", CONFIG_DURATION, AT(failing_least_ms), "1s", 1, HOUR_MS,
     "After three attempts in a row to connect to an origin have failed, its requests fail with "
     "error 103 for so long without another one; then one is made at a time until one succeeds."},
    {"pool", "failing_most", CONFIG_DURATION, AT(failing_most_ms), "30s", 0, HOUR_MS,
     "That time doubles with each further failure, up to this. 0: every request makes its "
     "attempt."},
    {"pool", "retry_budget", CONFIG_COUNT, AT(retry_budget_percent), "20", 0, 100,
     "Requests to one origin that may be sent again, in percent of those of the last 10 seconds; "
     "three always may."},

    {"timeouts", "total", CONFIG_DURATION, AT(total_timeout_ms), "300s", 1, DAY_MS,
     "A whole request, from its arrival to the last byte of its answer, where the client gives no "
     "timeout."},
    {"timeouts", "stream", CONFIG_DURATION, AT(stream_timeout_ms), "24h", 1, DAY_MS,
     "The same for a request that streams its body or its answer's. Those that do not move are "
     "ended by idle and client_stall."},
    {"timeouts", "queue", CONFIG_DURATION, AT(queue_timeout_ms), "30s", 1, DAY_MS,
     "How long a request may wait for its turn, where the client gives no queue_timeout: error 101 "
     "then."},
    {"timeouts", "connect", CONFIG_DURATION, AT(connect_timeout_ms), "10s", 1, DAY_MS,
     "From the request's turn to its being sent (name look-up, TCP and TLS, also where another "
     "request does these), where the client gives no connect_timeout."},
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
    {"limits", "clients_per_user", CONFIG_COUNT, AT(clients_per_user), "2048",
     CONFIG_BOUNDS_CLIENTS_PER_USER,
     "Client connections of one user at a time. The first request on a further one is answered "
     "with error 100, and it is closed. At most three quarters of max_clients."},
    {"limits", "running", CONFIG_COUNT, AT(running), "8192", 1, 1000000,
     "Requests on their way to origins at a time; more wait for their turn. Where they do, no user "
     "has more than a share of them while others wait for theirs."},
    {"limits", "running_per_user", CONFIG_COUNT, AT(running_per_user), "1024",
     CONFIG_BOUNDS_RUNNING_PER_USER,
     "The same for one user. Below max_connections, so that one user cannot have them all."},
    {"limits", "running_per_origin", CONFIG_COUNT, AT(running_per_origin), "1024", 1, 1000000,
     "The same for one origin."},
    {"limits", "queue", CONFIG_COUNT, AT(queue), "10000", CONFIG_BOUNDS_QUEUE,
     "Requests of one user that wait for their turn; a further one is error 100, unless nobody "
     "waits for its origin: then it may be twice as many."},
    {"limits", "requests_per_client", CONFIG_COUNT, AT(requests_per_client), "256",
     CONFIG_BOUNDS_REQUESTS_PER_CLIENT,
     "Requests of one client connection that run or wait for their turn; its next message is read "
     "when one has ended. "
     "Where one of them streams, a further request is refused with error 100 instead: behind it "
     "may stand what the stream waits for."},
    {"limits", "max_unread", CONFIG_BYTES, AT(max_unread_bytes), "64MiB", MIB, GIB + 64 * MIB,
     "Bytes of answers for one client connection that come in or have not been read. A body that "
     "goes beyond it while it comes in is error 204; an answer that does not fit behind unread "
     "ones is error 206. Streamed bodies do not count. Where max_body is larger, this is raised so "
     "that one such body fits."},
    {"limits", "upload_window", CONFIG_BYTES, AT(upload_window_bytes), "256KiB", 4 * KIB, 16 * MIB,
     "Bytes of one upload that its client may send ahead of what the origin has taken."},
    {"limits", "paused_memory", CONFIG_BYTES, AT(paused_memory_bytes), "64MiB",
     CONFIG_BOUNDS_PAUSED_MEMORY,
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
     "Certificates of the authorities to trust, as a PEM file. Default: the system's. What it "
     "holds is read again after a reload, for connections that are opened then, and once a day."},
    {"tls", "allow_insecure", CONFIG_BOOLEAN, AT(allow_insecure), "no", 0, 0,
     "Whether a client may ask not to verify certificates."},

    {"proxy", "url", CONFIG_PROXY, AT(proxy_url), NULL, 0, 0,
     "The http://, https:// or socks5h:// proxy to go through where a client names none. "
     "Environment variables are not looked at."},
    {"proxy", "allow_client", CONFIG_BOOLEAN, AT(allow_client_proxy), "no", 0, 0,
     "Whether a client may name a proxy of its own."},

    {"metrics", "origins", CONFIG_COUNT, AT(metrics_origins), "100", 0, 1000,
     "Origins that have series of their own in the metrics (GET /metrics): the first that are "
     "asked for. They keep them until the daemon ends, so that no counter goes back; a lower "
     "number at a reload takes none away. The others are summed under origin=\"other\". 0: all."},
};

const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

/* Sockets are opened, and memory is shared out, by what stood in these at the start; and what
 * connections were opened by must stay true of them. */
bool config_key_is_fixed(const struct config_key *key)
{
    static const size_t fixed[] = {AT(socket),          AT(core_dumps), AT(log_buffer_bytes),
                                   AT(max_connections), AT(threads),    AT(max_clients),
                                   AT(ca_file),         AT(proxy_url)};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (key->offset == fixed[i])
            return true;
    }
    return false;
}
