/* capture: see capture.h. */
#include "capture.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "fetchpool_wire.h"

/* Which side a message is from is not known before it is read: the daemon may say more. */
void capture_init(struct capture *capture, const struct capture_events *events)
{
    *capture = (struct capture){.events = *events};
    scanner_init(&capture->scanner, WIRE_MAX_REPLY_BYTES, WIRE_MAX_REPLY_ELEMENTS);
    buffer_init(&capture->pending, SIZE_MAX / 2);
}

void capture_finish(struct capture *capture)
{
    buffer_finish(&capture->pending);
}

/* Hands up the messages that are whole. Returns how many bytes they have by *out_used. */
static int hand_up(struct capture *capture, size_t *out_used)
{
    const struct buffer *pending = &capture->pending;
    enum scan_result scan = SCAN_WHOLE;
    int result = 0;
    while (result == 0 && scan == SCAN_WHOLE && capture->scanned < pending->length) {
        capture->scanned += scanner_feed(&capture->scanner, pending->data + capture->scanned,
                                         pending->length - capture->scanned, &scan);
        if (scan == SCAN_BROKEN)
            return -EBADMSG;
        if (scan == SCAN_WHOLE) {
            size_t begin = *out_used;
            *out_used = capture->scanned;
            result = capture->events.on_message(capture->events.ctx, capture->offset + begin,
                                                pending->data + begin, *out_used - begin);
        }
    }
    return result;
}

int capture_take(struct capture *capture, const uint8_t *bytes, size_t length)
{
    size_t used = 0;
    int result = buffer_append(&capture->pending, bytes, length);
    if (result == 0)
        result = hand_up(capture, &used);
    if (used > 0) {
        buffer_consume(&capture->pending, used);
        capture->offset += used;
        capture->scanned -= used;
    }
    return result;
}

int capture_end(const struct capture *capture)
{
    return capture->pending.length > 0 ? -EBADMSG : 0;
}

/* ---- Complaints ------------------------------------------------------------------------------ */

static void complain_of_start(const struct capture *capture, struct buffer *out)
{
    uint8_t byte = capture->pending.data[0];
    buffer_append_format(out,
                         "offset %" PRIu64 ": expected a MessagePack-RPC message, which begins "
                         "with 0x93, 0x94, 0xdc or 0xdd, not 0x%02x",
                         capture->offset, byte);
    if (isgraph(byte))
        buffer_append_format(out, " (\"%c\")%s", byte,
                             isalpha(byte) ? "; the text dialect can be read as it is" : "");
}

static void complain_of_end(const struct capture *capture, struct buffer *out)
{
    const struct scanner *scanner = &capture->scanner;
    buffer_append_format(out,
                         "offset %" PRIu64 ": expected the rest of the message that begins at "
                         "offset %" PRIu64 ", but the capture ends",
                         capture->offset + capture->scanned, capture->offset);
    if (scanner->skip > 0)
        buffer_append_format(out, "; %" PRIu64 " bytes of a value are missing", scanner->skip);
    else if (scanner->depth > 0)
        buffer_append_format(out, "; %" PRIu32 " values of an array or map are missing",
                             scanner->open[scanner->depth - 1]);
}

void capture_complain(const struct capture *capture, struct buffer *out)
{
    const char *reason = capture->scanner.reason;
    if (!reason)
        complain_of_end(capture, out);
    else if (capture->scanned == 1 && capture->scanner.depth == 0)
        complain_of_start(capture, out);
    else
        buffer_append_format(out,
                             "offset %" PRIu64 ": %s, in the message that begins at offset "
                             "%" PRIu64,
                             capture->offset + capture->scanned - 1, reason, capture->offset);
}
