/*
 * fetch: one request of one client, from its acceptance to its one answer: the transfers that it
 * takes (one, and one more for each redirect), its deadlines, its bodies and their flow.
 *
 *                     create
 *                       |
 *          +---> FETCH_QUEUED             it waits for its turn, and for a place on a connection
 *          |            | on_place
 *          |      FETCH_CONNECTING        nothing of this hop has been sent
 *          |            | on_sent
 *          |            +--------------+
 *          |            | an upload    |
 *          |      FETCH_SENDING        |  the upload goes out; no answer yet
 *          |        |   | all of it    |
 *          |        |   +--------------+
 *          |        |            FETCH_WAITING      the origin may act on it; no answer yet
 *          |        | on_head          | on_head
 *          |        +---------+--------+
 *          |                  |
 *          |          FETCH_RECEIVING <---+         the body comes in; an upload may still go out
 *          |             |    |  no room  | room
 *          |  a redirect |    |     FETCH_STALLED   the client does not take the body
 *          +-------------+    |           |
 *                             | on_done   | on_done, bytes are left
 *                             |     FETCH_FLUSHING  the origin is done, the client is not
 *                             v           v
 *     failure, deadline,    FETCH_ENDED             on_end has been called, or nobody wants it
 *     cancel: from each ------^
 *
 * A fetch whose connection turns out to be of no use, or which is sent again (fetch_retry.c), goes
 * back to FETCH_QUEUED before any of its answer came. So does an upload whose origin does not want
 * to be asked first (417).
 *
 * Flow: what comes from the origin goes on at once, within the window that the client has granted
 * and while its socket has room. What does not is refused, so that libcurl keeps it and the origin
 * is held back; what it kept comes here when it is resumed, and goes first. An upload is granted
 * [limits] upload_window ahead of what the origin has taken.
 *
 * Each state has one deadline of its own, beside the one of the whole fetch; a single timer stands
 * for whichever comes first. The fetch knows no client and no message: it is given a checked
 * request and answers with one outcome.
 */
#pragma once

#include <uv.h>

#include "access.h"
#include "config.h"
#include "credential.h"
#include "dispatch.h"
#include "request.h"
#include "stall.h"
#include "stats.h"

struct fetch;

/* What every fetch of a daemon works with. Borrowed. */
struct fetch_context {
    uv_loop_t *loop;
    struct dispatch *dispatch;
    const struct config *config;
    struct stats *stats;
    struct stall_list *stalls;
    struct url_memo *urls;
    struct transfer_spares *spares;
    const struct credential_table *credentials;
    struct access_log *access;        /* NULL: none */
    uint8_t salt[REQUEST_SALT_BYTES]; /* random, for the names of identities */
};

/* Whose a fetch is. Borrowed; what it points to outlives the fetch. */
struct fetch_client {
    const struct config_policy *policy; /* NULL: the daemon's own, which may go anywhere */
    struct stall_group *group; /* who does not take its body, when that is so, and whose user it
                                  is */
    bool only_asks; /* nothing is sent, and no connection opened or used: the name is looked up, and
                       the outcome has a check */
};

/* One that only asks whether it would be allowed (fetch_client.only_asks). */
#define FETCH_MOST_CHECKED 64 /* addresses; of a name with more, the first ones */
struct fetch_check {
    struct policy_verdict verdict; /* of the request */
    struct {
        struct network_address address;
        struct policy_verdict verdict;
    } addresses[FETCH_MOST_CHECKED]; /* none if the request itself is denied, or if no address is
                                        asked about */
    size_t count;
};

struct fetch_outcome {
    int code;                             /* 0, or an enum fetchpool_code */
    const char *message;                  /* "" if the code is 0 */
    bool has_begun;                       /* on_response has been called */
    const struct wire_response *response; /* of code 0; views that live during the call */
    const struct wire_end *end;           /* of a streamed body, code 0; the same */
    const struct fetch_check *check;      /* of one that only asks, code 0; the same */
    const struct request *request;        /* as the last redirect left it */
    uint64_t total_us;
};

/* All but on_end may come from inside libcurl: they must end no fetch, and resume none. */
struct fetch_events {
    /* The client's policy denies the request, or would, in mode report. Also before fetch_create()
     * has returned. May be NULL for a fetch without a policy. */
    void (*on_verdict)(void *ctx, const struct request *request,
                       const struct policy_verdict *verdict);
    /* Not streamed. More bytes of the body are to be held: 0, or the code that ends the fetch. */
    int (*on_hold)(void *ctx, size_t bytes);
    /* Streamed. The head is in: 0, or a code that ends the fetch, and the sentence. */
    int (*on_response)(void *ctx, const struct wire_response *response, struct wire_why *why);
    /* Is there room for on_data? Where there is none, fetch_resume() is called when there is. */
    bool (*has_room)(void *ctx);
    void (*on_data)(void *ctx, const uint8_t *bytes, size_t length);
    /* So many bytes more of the upload may be given. */
    void (*on_grant)(void *ctx, uint64_t bytes);
    /* Called once, from the loop; the fetch is dead to the caller when it returns. */
    void (*on_end)(void *ctx, const struct fetch_outcome *outcome);
};

/*
 * Takes the request and starts. NULL if memory is exhausted; the request is gone then too. No event
 * but on_verdict comes before this has returned.
 */
struct fetch *fetch_create(const struct fetch_context *context, struct request *request,
                           const struct fetch_client *client, const struct fetch_events *events,
                           void *ctx);

/* Right after fetch_create(): which connection it is to have, in its first attempt. */
void fetch_choose(struct fetch *fetch, enum pool_choice choice, uint64_t number);

/* Its user's policy is another one now: further hops and addresses are asked of that. Nothing for a
 * fetch without a policy. */
void fetch_set_policy(struct fetch *fetch, const struct config_policy *policy);
/* Where nothing has been sent and it waits: may it still? If not it ends. Returns whether it did.
 */
bool fetch_ask_again(struct fetch *fetch);

/* Does it wait for its turn? */
bool fetch_is_queued(const struct fetch *fetch);
/* The same, and nothing has come of it: no redirect, no part of an upload, which its client may not
 * have any more. So another daemon may as well have it. */
bool fetch_is_untouched(const struct fetch *fetch);
/* How many bytes of its body it holds: the sum of what on_hold allowed. */
size_t fetch_get_held_bytes(const struct fetch *fetch);
/* Bytes of a streamed body that have come and wait for its client. */
size_t fetch_get_waiting_bytes(const struct fetch *fetch);
const struct request *fetch_get_request(const struct fetch *fetch);
/* What is known of it so far, for the books: all but its client, and how it ends. Views. */
void fetch_account(const struct fetch *fetch, struct access_entry *out_entry);

/* ---- The flow. Each of these may end the fetch before it returns, through on_end ------------- */

/* The client has granted so many bytes more of the body. */
void fetch_add_window(struct fetch *fetch, uint64_t bytes);

/*
 * A streamed body has to wait until fetch_resume(). False, and nothing is done, where that is of no
 * use: see transfer_hold(). Ends nothing; also from inside libcurl.
 */
bool fetch_hold(struct fetch *fetch);

/* There is room again. */
void fetch_resume(struct fetch *fetch);

/* Grants the first bytes of the upload, if there is one. To be called once. */
void fetch_open_upload(struct fetch *fetch);

/*
 * The next bytes of the upload; copied. 0, or -EPROTO with the reason if they are more than was
 * granted, or come after its end, or there is no upload: nothing has happened then.
 */
int fetch_add_upload(struct fetch *fetch, const uint8_t *bytes, size_t length,
                     struct wire_why *why);
int fetch_end_upload(struct fetch *fetch, struct wire_why *why);

/* Is there an upload that has not ended? Where the client sends no more, it never will. */
bool fetch_awaits_input(const struct fetch *fetch);
void fetch_end_input(struct fetch *fetch);

/* ---- End ------------------------------------------------------------------------------------ */

/* Ends it now with this reason; on_end is called with the code of its class before it returns. */
void fetch_cancel(struct fetch *fetch, int code_not_sent, int code_sent, const char *reason);

/* Ends it without a word: nobody is left to be told. */
void fetch_abandon(struct fetch *fetch);
/* The code that it would end with, if it were. */
int fetch_get_abandon_code(const struct fetch *fetch);
