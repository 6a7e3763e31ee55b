/*
 * session_stream: the notifications that a client sends about the bodies of its calls. One for a
 * call that has ended is passed over: it was on its way when that ended.
 */
#include "session_internal.h"

#include <errno.h>

static void take_data(struct session *session, struct fetch *fetch, const struct wire_note *note)
{
    struct wire_why why;
    if (fetch_add_upload(fetch, (const uint8_t *)note->bytes.data, note->bytes.length, &why) < 0)
        session_offend(session, why.text);
}

static void take_end(struct session *session, struct fetch *fetch)
{
    struct wire_why why;
    if (fetch_end_upload(fetch, &why) < 0)
        session_offend(session, why.text);
}

static void take(struct session *session, struct fetch *fetch, const struct wire_note *note)
{
    switch (note->kind) {
    case WIRE_NOTE_DATA:
        take_data(session, fetch, note);
        break;
    case WIRE_NOTE_END:
        take_end(session, fetch);
        break;
    case WIRE_NOTE_WINDOW:
        fetch_add_window(fetch, note->window);
        break;
    case WIRE_NOTE_CANCEL:
        fetch_cancel(fetch, FETCHPOOL_CANCELLED, FETCHPOOL_CANCELLED_SENT,
                     "cancelled by the client");
        break;
    case WIRE_NOTE_ERROR: /* the daemon's to send */
    case WIRE_NOTE_GOAWAY:
    case WIRE_NOTE_UNKNOWN:
        break;
    }
}

void session_take_note(struct session *session, const struct wire_message *message)
{
    struct wire_note note;
    struct wire_why why;
    int result = wire_note_decode(&note, message, &why);
    if (result == -ENOMEM) {
        session_offend(session, "the daemon has no memory for its message");
        return;
    }
    if (result < 0) {
        session_offend(session, why.text);
        return;
    }
    struct call *call = session_find_call(session, note.id);
    if (call)
        take(session, call->fetch, &note);
    wire_note_finish(&note);
}
