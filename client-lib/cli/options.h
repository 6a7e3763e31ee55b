/*
 * options: the command line, read and checked. curl's letters and long names, where both do the
 * same. Files that options name by @ are read here, as curl does, so that a wrong one is said
 * before anything is sent.
 *
 * It owns what it reads from files; all other strings are the argument vector's.
 */
#pragma once

#include "body.h"
#include "buffer.h"
#include "fetchpool.h"
#include "fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* curl's, with -L. */
#define MAX_REDIRECTS_DEFAULT 50

enum action {
    ACTION_FETCH,
    ACTION_REPORT, /* ping, stats, connections, origins, clients, config, reload, drain */
    ACTION_CHECK,
    ACTION_TOP,
    ACTION_DECODE,
    ACTION_HELP,
    ACTION_VERSION
};

/* Where a body goes: the n-th of these belongs to the n-th URL. */
struct target {
    const char *path;     /* NULL or "-": standard output */
    bool is_named_by_url; /* -O */
};

struct options {
    enum action action;
    const char *subject; /* of a report; of check, its URL */
    char **urls;
    size_t url_count;
    struct target *targets; /* owned */
    size_t target_count;
    const char *socket;
    const char *method; /* NULL: what follows from the others */
    struct fields fields;
    struct body body;
    const char **uploads; /* owned: the n-th file belongs to the n-th URL */
    size_t upload_count;
    struct buffer write_out; /* ends in a NUL if it is not empty */
    const char *user_agent;  /* "": none */
    const char *referer;
    const char *user;
    const char *proxy;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t interval_ms;    /* of top */
    int32_t frame_count;     /* of top; 0: no bound */
    uint64_t max_body_bytes; /* 0: no bound */
    int32_t max_redirects;   /* negative: no bound */
    enum fetchpool_http http;
    bool follows_redirects;
    bool is_head;
    bool shows_head;
    bool fails_on_error_status;
    bool is_silent;
    bool hides_progress;
    bool shows_errors;
    bool is_compressed;
    bool is_insecure;
    bool is_json;
    bool is_full; /* of decode */
};

/* Of top, without --interval; and the shortest that it may be: what asks more often is a load. */
#define INTERVAL_DEFAULT_MS 1000
#define INTERVAL_LEAST_MS   100

/*
 * Reads the command line. EXIT_CODE_OK, or the exit code with which to end: what is wrong has been
 * said. options_finish() is due after either.
 */
int options_read(struct options *out_options, int argc, char **argv);
void options_finish(struct options *options);

/* The file that -T has for a URL, or NULL. */
const char *options_upload(const struct options *options, size_t index);

/* Is this failure to be told? Not with -s, unless with -S too. */
bool options_allow_complaints(const struct options *options);
