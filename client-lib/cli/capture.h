/*
 * capture: a captured stream of messages, of one direction, as it is read: bytes in, whole messages
 * out. It holds the message that is coming in, and nothing of those before it.
 *
 * It knows neither files nor what messages mean.
 */
#pragma once

#include "buffer.h"
#include "scanner.h"

struct capture_events {
    /* A whole message, and where it begins in the capture. 0, or what capture_take() returns. */
    int (*on_message)(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length);
    void *ctx;
};

struct capture {
    struct scanner scanner;
    struct buffer pending; /* owned: from the first byte of the message that comes in */
    size_t scanned;        /* how much of it the scanner has seen */
    uint64_t offset;       /* where that message begins */
    struct capture_events events;
};

void capture_init(struct capture *capture, const struct capture_events *events);
void capture_finish(struct capture *capture);

/*
 * Takes the next bytes. 0; -EBADMSG if they are no messages: see capture_complain(), no call may
 * follow; -ENOMEM; or what on_message has returned.
 */
int capture_take(struct capture *capture, const uint8_t *bytes, size_t length);

/* The capture ends here. 0, or -EBADMSG if that is within a message. */
int capture_end(const struct capture *capture);

/* Appends the sentence for the -EBADMSG of the two above. */
void capture_complain(const struct capture *capture, struct buffer *out);
