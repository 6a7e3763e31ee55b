/* session_admin: what root and the daemon's own user may ask for, beside what all may. */
#include "session_internal.h"

#include <string.h>

#include "report.h"

static void put_config(struct buffer *out, const void *data)
{
    report_config(out, data);
}

static void put_config_text(struct buffer *out, const void *data)
{
    report_config_text(out, data);
}

static void put_changes(struct buffer *out, const void *data)
{
    report_changes(out, data);
}

static void put_changes_text(struct buffer *out, const void *data)
{
    report_changes_text(out, data);
}

static void put_drain(struct buffer *out, const void *data)
{
    report_drain(out, data);
}

static void put_drain_text(struct buffer *out, const void *data)
{
    report_drain_text(out, data);
}

static void tell_config(struct session *session, uint32_t id)
{
    struct session_result result = {put_config, put_config_text, session->set->fetches->config};
    session_reply_result(session, id, &result);
}

static void reload(struct session *session, uint32_t id)
{
    struct session_set *set = session->set;
    struct config_changes changes = {0};
    struct wire_why why;
    struct session_result result = {put_changes, put_changes_text, &changes};
    if (set->admin->reload(set->ctx, &changes, &why) < 0)
        session_reply_error(session, id, FETCHPOOL_BAD_REQUEST, why.text);
    else
        session_reply_result(session, id, &result);
    config_changes_finish(&changes);
}

/* It is answered first: the end may follow at once. */
static void drain(struct session *session, uint32_t id)
{
    struct session_set *set = session->set;
    struct report_drain facts = {set->in_flight, set->fetches->config->drain_timeout_ms};
    struct session_result result = {put_drain, put_drain_text, &facts};
    session_reply_result(session, id, &result);
    set->admin->drain(set->ctx);
}

static const struct {
    const char *name;
    void (*run)(struct session *session, uint32_t id);
    bool only_reads; /* may be done while the daemon drains */
} methods[] = {
    {"config", tell_config, true},
    {"reload", reload, false},
    {"drain", drain, false},
};

#define METHOD_COUNT (sizeof methods / sizeof methods[0])

static size_t find(struct wire_str method)
{
    size_t i = 0;
    while (i < METHOD_COUNT && !wire_str_is(method, methods[i].name))
        i++;
    return i;
}

bool session_is_admin_method(struct wire_str method)
{
    return find(method) < METHOD_COUNT;
}

void session_administer(struct session *session, uint32_t id, struct wire_str method)
{
    struct wire_why why;
    size_t i = find(method);
    if (!session_sees_all(session)) {
        wire_why_set(&why, "%s is for root and the daemon's own user", methods[i].name);
        session_reply_error(session, id, FETCHPOOL_DENIED, why.text);
    } else if (session->set->is_draining && !methods[i].only_reads) {
        session_reply_error(session, id, FETCHPOOL_SHUTTING_DOWN, "the daemon is shutting down");
    } else {
        methods[i].run(session, id);
    }
}
