/*
 * framer: where one message of a client ends. The first byte chooses the dialect, MessagePack or
 * text; from then on it finds whole messages or lines in what has come so far, looking at each
 * byte once. Pure: it owns no bytes.
 *
 * A line of text that ends as the first line of an HTTP request does begins a head, which is one
 * message up to its empty line: what an HTTP client sends as header fields is never taken for
 * commands, whoever made it send them.
 */
#pragma once

#include "scanner.h"

/* The head of an HTTP request: that of a browser with all its cookies has some 20 lines. */
#define FRAMER_MOST_HEAD_LINES 100
#define FRAMER_MOST_HEAD_BYTES ((size_t)64 * 1024)

enum framer_dialect {
    FRAMER_UNDECIDED, /* nothing has come yet */
    FRAMER_MESSAGEPACK,
    FRAMER_TEXT
};

/* Why a client's bytes are of no use. */
struct framer_fault {
    const char *reason;
    bool has_id; /* the message was a request, and its id could be read */
    uint32_t id;
    bool is_too_large; /* its size alone was wrong */
    bool is_late;      /* it was not whole in time */
    bool is_head;      /* it began as the head of an HTTP request */
};

enum framer_result {
    FRAMER_MORE,  /* no whole message yet */
    FRAMER_WHOLE, /* one, of the length given */
    FRAMER_HEAD,  /* the head of an HTTP request, of the length given */
    FRAMER_BROKEN /* none, for good: the fault says why */
};

struct framer {
    enum framer_dialect dialect;
    uint64_t max_message_bytes;
    uint64_t max_line_bytes;
    struct scanner scanner;
    size_t scanned;      /* bytes of the current message that were looked at */
    size_t line;         /* of text: where its current line begins */
    unsigned head_lines; /* whole lines of a head that has begun */
};

void framer_init(struct framer *framer, uint64_t max_message_bytes, uint64_t max_line_bytes);

/*
 * Looks for the end of the message that begins at `bytes`, of which at least one byte is there. A
 * later call brings the same bytes again, and more. `is_last`: no more will come, so that a line
 * needs no line end. A line's length counts its line end; a head then
 * needs no empty line.
 */
enum framer_result framer_next(struct framer *framer, const uint8_t *bytes, size_t length,
                               bool is_last, size_t *out_length, struct framer_fault *out_fault);

/* Has the head of an HTTP request begun, and not ended? */
bool framer_is_in_head(const struct framer *framer);
