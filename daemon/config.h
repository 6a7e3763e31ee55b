/*
 * config: what the daemon was told by its configuration file. One table holds every key: section,
 * name, type, default, bounds and a line of description; the parser, `--check` and the manual page
 * fetchpool.conf(5) all read that table, so they cannot differ.
 *
 * Ground floor: knows nothing of ours. The file's format is inih's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"
#include "url_rule.h"

/* No fewer than the keys of an origin or of a policy. */
#define CONFIG_SECTION_KEYS_MOST 20

/* Of [pool] threads: beyond some, what one of them does for all is the bound. */
#define CONFIG_MOST_THREADS 16

/* One section [origin "https://example.com"]. */
struct config_origin {
    char *name;                              /* scheme, host and perhaps port, as it was written */
    bool is_given[CONFIG_SECTION_KEYS_MOST]; /* which of config_origin_keys the file has */
    uint64_t warm;
    char *warm_path;
    struct config_header *headers; /* that the daemon adds */
    size_t header_count;
};

/* One line `header = NAME: VALUE`. */
struct config_header {
    char *name;
    char *text;      /* before the path, or all of the value: secret; never NULL */
    char *file_path; /* whose content is the rest of the value; NULL: none */
};

/* Users or groups. */
struct config_ids {
    uint32_t *items;
    size_t count;
};

/*
 * One section [policy "name"]: see policy.h. What it leaves out of its limits, tls_insecure and
 * proxies is as [limits], [tls] and [proxy] say: filled in when the file has been read.
 */
struct config_policy {
    char *name;
    int line;                                /* of its section; 0: the file has none */
    bool is_given[CONFIG_SECTION_KEYS_MOST]; /* which of config_policy_keys the file has */
    bool is_reported; /* mode = report: what it denies is allowed, and logged */
    bool is_isolated; /* isolate = user: each user has connections of their own */
    bool tls_insecure;
    struct config_ids users, groups;
    struct url_rule_list allow, deny; /* no allow: everything */
    struct network_list networks_allow, networks_deny;
    struct url_rule_list proxies;     /* that a client may choose */
    struct url_rule_list credentials; /* the origins whose headers its users get */

    uint64_t running_per_user;
    uint64_t queue;
    uint64_t clients_per_user;
    uint64_t requests_per_client;
    uint64_t paused_memory_bytes;
};

struct config {
    char *socket;  /* [daemon]; NULL: the default path */
    int log_level; /* enum log_level */
    int log_urls;  /* enum log_urls */
    uint64_t log_buffer_bytes;
    char *access_log; /* NULL: none */
    bool core_dumps;

    uint64_t max_connections; /* [pool] */
    uint64_t connections_per_origin;
    uint64_t streams_per_connection;
    uint64_t lookups;
    uint64_t threads;
    uint64_t pool_idle_timeout_ms;
    uint64_t pool_lifetime_ms;
    uint64_t dns_ttl_ms;
    uint64_t h2_ping_timeout_ms;
    uint64_t tcp_user_timeout_ms;
    uint64_t tcp_keepalive_ms;
    uint64_t failing_least_ms;
    uint64_t failing_most_ms;
    uint64_t retry_budget_percent;

    uint64_t total_timeout_ms; /* [timeouts] */
    uint64_t stream_timeout_ms;
    uint64_t queue_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t first_byte_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t client_stall_timeout_ms;
    uint64_t expect_timeout_ms;
    uint64_t frame_timeout_ms;
    uint64_t drain_timeout_ms;
    uint64_t share_timeout_ms;

    uint64_t max_message_bytes; /* [limits] */
    uint64_t max_body_bytes;
    uint64_t max_url_bytes;
    uint64_t max_line_bytes;
    uint64_t max_headers;
    uint64_t max_header_bytes;
    uint64_t max_response_header_bytes;
    uint64_t max_redirects;
    uint64_t max_clients;
    uint64_t clients_per_user;
    uint64_t running;
    uint64_t running_per_user;
    uint64_t running_per_origin;
    uint64_t queue;
    uint64_t requests_per_client;
    uint64_t max_unread_bytes;
    uint64_t upload_window_bytes;
    uint64_t paused_memory_bytes;
    uint64_t paused_memory_total_bytes;
    uint64_t max_name_bytes;
    uint64_t max_pem_bytes;

    char *ca_file; /* [tls]; NULL: the system's */
    bool allow_insecure;

    char *proxy_url; /* [proxy]; NULL: none */
    bool allow_client_proxy;

    uint64_t metrics_origins; /* [metrics] */

    struct config_origin *origins;
    size_t origin_count;

    struct config_policy *policies; /* in the order of the file, "default" last: it always is */
    size_t policy_count;
};

struct config_error {
    char text[640];
};

/* Every key at its default, and the policy "default". 0 or -ENOMEM. */
int config_init(struct config *config);
/* Wipes what is secret. */
void config_finish(struct config *config);

/*
 * Reads a file over the defaults. 0, or -EINVAL with "FILE:LINE: what is wrong and what was
 * expected", or -ENOMEM; after an error the config is as it was before.
 */
int config_load(struct config *config, const char *path, struct config_error *error);

/* The file that is read where none is named: root's, or the user's own. NULL: out of memory. */
#define CONFIG_SYSTEM_PATH "/etc/fetchpool/fetchpool.conf"
char *config_default_path(void);

/*
 * As config_load(), of the file `path`, or, if that is NULL, of the default one, if there is one.
 * `*out_path` is owned: the file that was read, "" if none was. Errors as config_load().
 */
int config_read(struct config *config, const char *path, char **out_path,
                struct config_error *error);

/* ---- Another one ---------------------------------------------------------------------------- */

/* What stands in `config` for keys that only a start can change is put in the place of what `fresh`
 * has for them. 0 or -ENOMEM; `fresh` is to be finished then. */
int config_keep_fixed(const struct config *config, struct config *fresh);

/* What one configuration says is the other's from now on, and the other way. */
void config_swap(struct config *a, struct config *b);

/* ---- The table, for whoever describes it ---------------------------------------------------- */

enum config_type {
    CONFIG_TEXT,      /* char *, owned */
    CONFIG_PEM_FILE,  /* char *, owned: a file that can be read and holds certificates */
    CONFIG_PROXY,     /* char *, owned: the URL of a proxy */
    CONFIG_PATH,      /* char *, owned: the path of a URL, perhaps with a query */
    CONFIG_FILE,      /* char *, owned: an absolute path of the file system */
    CONFIG_LEVEL,     /* int */
    CONFIG_URLS,      /* int */
    CONFIG_BOOLEAN,   /* bool */
    CONFIG_MODE,      /* bool: enforce (false) or report */
    CONFIG_ISOLATION, /* bool: no or user */
    CONFIG_COUNT,     /* uint64_t */
    CONFIG_BYTES,     /* uint64_t */
    CONFIG_DURATION,  /* uint64_t, milliseconds */

    /* Lists: their keys may be given often, and add up. */
    CONFIG_HEADERS,     /* of a struct config_origin: its headers */
    CONFIG_USERS,       /* struct config_ids */
    CONFIG_GROUPS,      /* struct config_ids */
    CONFIG_NETWORKS,    /* struct network_list */
    CONFIG_ALLOW_RULES, /* these are struct url_rule_list */
    CONFIG_DENY_RULES,
    CONFIG_PROXY_RULES,
    CONFIG_ORIGIN_RULES
};

struct config_key {
    const char *section;
    const char *name;
    enum config_type type;
    size_t offset;
    const char *preset; /* as one would write it; NULL: absent, or as the summary says */
    uint64_t least, most;
    const char *summary;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The keys of an origin's section; their offsets are in struct config_origin. */
extern const struct config_key config_origin_keys[];
extern const size_t config_origin_key_count;

/* The keys of a policy's section; their offsets are in struct config_policy. */
extern const struct config_key config_policy_keys[];
extern const size_t config_policy_key_count;

/* Is its member a char *? */
bool config_key_is_text(const struct config_key *key);
bool config_key_is_list(const struct config_key *key);

/* Does it hold from the next start on, whatever a reload reads? Only of config_keys. */
bool config_key_is_fixed(const struct config_key *key);

/* How values of a type are written: "a duration such as 500ms, 30s, 5m or 1h". */
const char *config_type_description(enum config_type type);
