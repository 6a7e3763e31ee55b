/* What the files of fetch share: the fetch itself, its deadlines, its flow. */
#pragma once

#include "byte_queue.h"
#include "fetch.h"
#include "transfer.h"

#define NS_PER_US 1000
#define NS_PER_MS 1000000

enum fetch_state {
    FETCH_QUEUED,
    FETCH_CONNECTING,
    FETCH_SENDING,
    FETCH_WAITING,
    FETCH_RECEIVING,
    FETCH_STALLED,
    FETCH_FLUSHING,
    FETCH_ENDED
};

/* A body on its way to the origin. Bytes, from the upload's beginning on. */
struct fetch_upload {
    struct byte_queue queue; /* received, not taken */
    uint64_t granted;
    uint64_t received;
    uint64_t taken;  /* by libcurl */
    bool has_ended;  /* the client has sent all */
    bool is_starved; /* libcurl asked for more, and there was nothing */
};

/* A body on its way to the client. */
struct fetch_flow {
    struct byte_queue queue; /* taken from libcurl, waiting for the client */
    uint64_t window;         /* bytes that the client takes beyond those that it got */
    uint64_t sent;
    bool is_emptying;         /* libcurl is giving up what it kept: see fetch_resume() */
    struct stall_entry stall; /* in the list while FETCH_STALLED or FETCH_FLUSHING */
};

/* malloc() has what is small at hand, and looks for what is larger than 1 KiB: sentences that
 * hardly any fetch has are elsewhere. */
struct fetch {
    const struct fetch_context *context;
    struct request *request;
    struct transfer *transfer;
    const struct fetch_events *events;
    void *ctx;

    enum fetch_state state;
    uv_timer_t timer;
    uint64_t timer_ns; /* when it is to fire, while it runs */
    uint64_t started_ns;
    uint64_t entered_ns; /* the state, or the last byte that moved in it */
    uint64_t redirects;
    struct origin *origin;              /* of this hop; held; NULL before the first */
    struct dispatch_ticket ticket;      /* of this hop */
    char *terms;                        /* its own, or NULL: as request_terms() */
    char *partition;                    /* whose connections it may use; NULL: everybody's */
    const struct config_policy *policy; /* NULL: it may do all */
    struct pool_guard guard;
    struct network_address denied_address; /* the last that it may not go to */
    struct fetch_check *check;             /* NULL: it does not only ask */
    uint64_t queued_ns;                    /* since when it is, or was last, FETCH_QUEUED */
    uint64_t opening_ns; /* since when a connection for it is being opened; 0: it is not */
    unsigned retries;    /* of this hop */
    unsigned misplaced;  /* how often its place was of no use, in this hop */
    int first_code;      /* of the attempt before the retry; 0: none may have been acted on */
    int start_code;      /* 0, or why no transfer could be started */
    char *first_text, *start_text;  /* their sentences, owned; NULL: there was no memory */
    bool was_sent;                  /* some hop's request was, and an origin may have acted on it */
    bool was_sent_before;           /* the same, before this hop's latest attempt */
    bool is_safe;                   /* the first hop's method asks for nothing but an answer */
    bool follows;                   /* the answer that comes in is a redirect to be followed */
    bool has_begun;                 /* on_response was called */
    bool has_left;                  /* a redirect has led to another origin */
    bool was_reported;              /* that this hop would be denied */
    bool has_hop_times;             /* of this attempt: they are in `timing` */
    struct buffer body;             /* not streamed */
    size_t held_bytes;              /* the sum of what on_hold allowed */
    uint64_t body_bytes;            /* of this hop's answer, passed on or not */
    struct fetchpool_timing timing; /* sums over the hops so far */
    struct access_entry account;    /* what is counted as it happens; of this hop its answer */
    struct fetch_upload upload;
    struct fetch_flow flow;
};

/* ---- fetch.c -------------------------------------------------------------------------------- */

void fetch_set_state(struct fetch *fetch, enum fetch_state state);
/* A byte moved: the state's deadline counts from now. */
void fetch_touch(struct fetch *fetch);
void fetch_set_timer(struct fetch *fetch);
/* Has it reported from the loop that it cannot start, with this code and sentence. */
void fetch_fail_soon(struct fetch *fetch, int code, const char *message);
extern const struct transfer_events fetch_transfer_events;
/* Calls on_end: last. */
void fetch_end(struct fetch *fetch, const struct fetch_outcome *outcome);

/* ---- fetch_policy.c ------------------------------------------------------------------------- */

/* 0 or -ENOMEM. */
int fetch_policy_init(struct fetch *fetch, const struct fetch_client *client);
/* May this hop be made at all? 0, or FETCHPOOL_DENIED with the reason. */
int fetch_ask_policy(struct fetch *fetch, struct wire_why *why);
/* It only asks, and that has been answered: ends it. Last. */
void fetch_finish_check(struct fetch *fetch);
/* It may go to none of the addresses: the reason, which is told to its owner, too. */
void fetch_explain_denial(struct fetch *fetch, struct wire_why *out_why);
/* Whose connections this hop may use: fetch->partition. 0 or FETCHPOOL_BUSY without memory. */
int fetch_set_partition(struct fetch *fetch);
/* The fields that the daemon adds to this hop; NULL: none. */
const struct field_list *fetch_find_credential(const struct fetch *fetch);

/* ---- fetch_account.c ------------------------------------------------------------------------ */

/* A head is in. */
void fetch_note_head(struct fetch *fetch, const struct transfer_head *head);
/* What the attempt went over, if it came to that. */
void fetch_note_connection(struct fetch *fetch, const struct transfer_result *result);
/* Adds this hop's. */
void fetch_add_times(struct fetch *fetch, const struct transfer_result *result);
/* A new attempt: nothing has come of it. */
void fetch_reset_account(struct fetch *fetch);

/* ---- fetch_outcome.c ------------------------------------------------------------------------ */

/* Keeps a sentence of the fetch's, or another one of it. */
void fetch_keep_text(char **text, const char *sentence);
/* What was kept. */
const char *fetch_kept_text(const char *text);
/* What is known of the answer: its head, and the transfer so far. */
struct wire_response fetch_describe(struct fetch *fetch, const struct transfer_head *head,
                                    const struct transfer_result *result);
/* Each ends the fetch: last. */
void fetch_fail(struct fetch *fetch, int code, const char *message);
void fetch_finish_whole(struct fetch *fetch, const struct transfer_result *result);
void fetch_finish_stream(struct fetch *fetch);

/* ---- fetch_deadline.c ----------------------------------------------------------------------- */

struct fetch_deadline {
    uint64_t at_ns;
    uint64_t since_ns; /* 0: since the state was entered, or a byte moved in it */
    uint64_t limit_ms;
    const char *name;      /* as the client knows it */
    const char *complaint; /* NULL, or what the client failed to do: it is the client's fault */
};

/* The next of its deadlines: of its state, or of the whole. */
struct fetch_deadline fetch_next_deadline(const struct fetch *fetch);

/* When to look at it again: by then, or earlier where what it waits for may have another one. */
uint64_t fetch_next_look_ns(const struct fetch *fetch);

/* ---- fetch_place.c -------------------------------------------------------------------------- */

/* Begins an attempt of this hop: to its queue. Ends the fetch, from the loop, if it cannot. */
void fetch_queue(struct fetch *fetch);
/* Its place was of no use: it asks for another one, before the others of its user. */
void fetch_place_again(struct fetch *fetch);
/* It has ended with this code, after so long. */
void fetch_count_at_origin(struct fetch *fetch, int code, uint64_t total_us);
/* Goes to another origin, or ends: the place and the queue of this one are given up. */
void fetch_leave_origin(struct fetch *fetch);

/* ---- fetch_retry.c -------------------------------------------------------------------------- */

/* Sends it again if that is allowed. Returns whether it does; the result is void then. */
bool fetch_retry(struct fetch *fetch, const struct transfer_result *result);

/* ---- fetch_flow.c --------------------------------------------------------------------------- */

void fetch_flow_init(struct fetch *fetch, struct stall_group *group);
void fetch_flow_finish(struct fetch *fetch);

/* Does its body wait for the client? */
bool fetch_flow_is_stalled(const struct fetch *fetch);

/* Sends, keeps or refuses bytes of the body: as transfer's on_body. */
int fetch_flow_take(struct fetch *fetch, const uint8_t *bytes, size_t length, struct wire_why *why);

/* ---- fetch_upload.c ------------------------------------------------------------------------- */

enum transfer_read fetch_upload_read(struct fetch *fetch, uint8_t *buffer, size_t size,
                                     size_t *out_length);

/* Is there an upload whose bytes have not all been handed to libcurl? */
bool fetch_upload_is_open(const struct fetch *fetch);

/* A redirect has made a request without body: what comes is thrown away. */
void fetch_upload_drop(struct fetch *fetch);
