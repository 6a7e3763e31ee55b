/* session_log: what is written down of a session's requests: a line of the log at debug, and one of
 * the access log. */
#include "session_internal.h"

#include "log.h"

/* Of a URL and a tag, in a line of text; fields have more. */
#define MOST_URL_BYTES 512
#define TAG_FORMAT     "%.60s"

/* ---- Who, and what -------------------------------------------------------------------------- */

static void introduce(const struct session *session, uint32_t id, struct access_entry *entry)
{
    struct conn_peer peer = conn_get_peer(session->conn);
    entry->uid = peer.uid;
    entry->pid = peer.pid;
    entry->has_request = conn_get_dialect(session->conn) == FRAMER_MESSAGEPACK;
    entry->request = id;
    entry->client = wire_str_of(session->name);
}

/* The views of the entry are all of texts that end. */
static struct log_about about(const struct access_entry *entry)
{
    return (struct log_about){
        .origin = entry->origin.data,
        .method = entry->method.data,
        .url = entry->url.data,
        .tag = entry->tag.data,
        .client = entry->client.data,
        .error = entry->code != 0 ? fetchpool_code_name(entry->code) : NULL,
        .code = entry->code,
        .status = entry->status,
        .has_peer = true,
        .uid = entry->uid,
        .pid = entry->pid,
        .has_request = entry->has_request,
        .request = entry->request,
        .has_connection = entry->has_connection,
        .connection = entry->connection,
        .total_us = entry->timing.total_us,
    };
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* "client pid 7, tag -: GET https://example.com/: 200, connection 3, reused, 1200 us" */
static void log_request(const struct access_entry *entry, const char *outcome)
{
    struct log_about fields = about(entry);
    struct wire_why connection = {""};
    size_t length = log_url_length(entry->url.data, entry->origin.length);
    if (entry->has_connection)
        wire_why_set(&connection, ", connection %llu, %s", (unsigned long long)entry->connection,
                     entry->is_reused ? "reused" : "new");
    log_write_about(LOG_LEVEL_DEBUG, &fields,
                    "client pid %d, tag " TAG_FORMAT ": %s %.*s: %s%s, %llu us", (int)entry->pid,
                    entry->tag.data ? entry->tag.data : "-", entry->method.data,
                    (int)(length < MOST_URL_BYTES ? length : MOST_URL_BYTES), entry->url.data,
                    outcome, connection.text, (unsigned long long)entry->timing.total_us);
}

static void describe_outcome(const struct access_entry *entry, const struct fetch_outcome *outcome,
                             struct wire_why *out_text)
{
    if (outcome->end)
        wire_why_set(out_text, "%u, streamed %llu bytes", entry->status,
                     (unsigned long long)outcome->end->bytes);
    else if (entry->code != 0)
        wire_why_set(out_text, "error %d (%s)", entry->code, fetchpool_code_name(entry->code));
    else
        wire_why_set(out_text, "%u", entry->status);
}

static void note(const struct call *call, const struct access_entry *entry)
{
    if (!call->only_asks)
        access_log_write(call->session->set->fetches->access, entry);
}

/* What nobody reads is not put together. */
static bool is_written_down(const struct call *call)
{
    return log_is_on(LOG_LEVEL_DEBUG) || call->session->set->fetches->access;
}

void session_log_end(const struct call *call, const struct fetch_outcome *outcome)
{
    struct access_entry entry;
    struct wire_why text;
    if (!is_written_down(call))
        return;
    fetch_account(call->fetch, &entry);
    introduce(call->session, call->id, &entry);
    entry.code = outcome->code;
    if (log_is_on(LOG_LEVEL_DEBUG)) {
        describe_outcome(&entry, outcome, &text);
        log_request(&entry, call->only_asks && entry.code == 0 ? "checked" : text.text);
    }
    note(call, &entry);
}

void session_log_abandoned(const struct call *call)
{
    struct access_entry entry;
    if (!is_written_down(call))
        return;
    fetch_account(call->fetch, &entry);
    introduce(call->session, call->id, &entry);
    entry.code = fetch_get_abandon_code(call->fetch);
    if (log_is_on(LOG_LEVEL_DEBUG))
        log_request(&entry, "client gone");
    note(call, &entry);
}

/* Nothing of what it held was understood, or may be shown. */
void session_log_refusal(const struct session *session, uint32_t id, int code)
{
    struct access_entry entry = {.code = code};
    introduce(session, id, &entry);
    struct log_about fields = about(&entry);
    log_write_about(LOG_LEVEL_DEBUG, &fields, "client pid %d: refused: error %d (%s)",
                    (int)entry.pid, code, fetchpool_code_name(code));
    access_log_write(session->set->fetches->access, &entry);
}
