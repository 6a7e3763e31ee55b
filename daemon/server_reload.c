/*
 * server_reload: the configuration is read again, and takes the place of the one that was in force,
 * all or nothing: what can fail is done before anything changes. Keys that only a start can change
 * (config_key_is_fixed()) stay as they were.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_compare.h"
#include "log.h"
#include "server_internal.h"

/* All that is needed to go over to another configuration. */
struct reload {
    struct config fresh; /* in force, once it is applied: then this holds what was */
    struct credential_table *credentials;
    struct warm *warm;
    int access_fd;             /* where the access log goes on; -1: nowhere else */
    struct access_log *access; /* one that is to be */
    struct config_changes *changes;
};

/* ---- What can fail -------------------------------------------------------------------------- */

static int read_file(struct server *server, struct reload *reload, struct wire_why *why)
{
    struct config_error error;
    char *path;
    int result = config_init(&reload->fresh);
    if (result < 0)
        return result;
    result = config_read(&reload->fresh, server->setup->config_file, &path, &error);
    if (result < 0) {
        wire_why_set(why, "%s", error.text);
        return result;
    }
    free(path);
    if (server->setup->has_log_level)
        reload->fresh.log_level = (int)server->setup->log_level;
    result = config_compare(server->config, &reload->fresh, reload->changes);
    return result == 0 ? config_keep_fixed(server->config, &reload->fresh) : result;
}

/* One that is no longer wanted stays, with its file, until the end: some may wait to be written
 * there, and its reader may be stuck. */
static int open_access_log(struct server *server, struct reload *reload, struct wire_why *why)
{
    const char *path = reload->fresh.access_log;
    int result = 0;
    if (server->access && path)
        result = reload->access_fd = access_log_open_file(path);
    else if (path)
        result = access_log_open(&reload->access, path, reload->fresh.log_buffer_bytes);
    if (result < 0)
        wire_why_set(why, "[daemon] access_log %.200s: %s", path ? path : "", strerror(-result));
    return result < 0 ? result : 0;
}

static int prepare(struct server *server, struct reload *reload, struct wire_why *why)
{
    int result = read_file(server, reload, why);
    if (result == 0)
        result = credential_table_read(&reload->credentials, &reload->fresh, why);
    if (result == 0)
        result = warm_open(&reload->warm, &server->loop, &server->fetches, &reload->fresh, why);
    if (result == 0)
        result = open_access_log(server, reload, why);
    if (result == -ENOMEM)
        wire_why_set(why, "out of memory");
    return result;
}

/* ---- What cannot ---------------------------------------------------------------------------- */

/* Limits that were copied when their owners were made. Of clients that are connected, those of
 * messages stay as they were. */
static void hand_out_limits(struct server *server)
{
    const struct config *config = server->config;
    server->shared->max_message_bytes = config->max_message_bytes;
    server->shared->max_line_bytes = config->max_line_bytes;
    server->shared->frame_timeout_ms = config->frame_timeout_ms;
    server->shared->max_unread_bytes = server_most_unread(config);
    server->stalls.max_user_bytes = config->paused_memory_bytes;
    server->stalls.max_total_bytes = config->paused_memory_total_bytes;
    descriptors_share_users(&server->descriptors, config);
    server->sessions.clients_per_user = server->descriptors.clients_per_user;
    dispatch_update_limits(&server->dispatch);
    pool_update_limits(server->pool);
}

static void swap_credentials(struct server *server, struct reload *reload)
{
    struct credential_table *before = server->credentials;
    server->credentials = reload->credentials;
    server->fetches.credentials = reload->credentials;
    reload->credentials = before;
}

static void go_on_in_access_log(struct server *server, struct reload *reload)
{
    if (reload->access_fd >= 0)
        access_log_go_on(server->access, reload->access_fd);
    if (reload->access)
        server->access = reload->access;
    server->fetches.access = server->config->access_log ? server->access : NULL;
    reload->access_fd = -1;
    reload->access = NULL;
}

static void apply(struct server *server, struct reload *reload)
{
    warm_close(server->warm); /* it has views of what is in force until now */
    server->warm = reload->warm;
    reload->warm = NULL;
    config_swap(server->config, &reload->fresh);
    swap_credentials(server, reload);
    go_on_in_access_log(server, reload);
    log_set_level((enum log_level)server->config->log_level);
    log_set_urls((enum log_urls)server->config->log_urls);
    hand_out_limits(server);
    transfer_spares_clear(&server->spares);
    pool_forget_trust(server->pool); /* the file of the authorities may have changed */
    session_set_renew_policies(&server->sessions);
    warm_start(server->warm);
}

/* ---- Both ----------------------------------------------------------------------------------- */

static void log_changes(const struct config_changes *changes)
{
    for (size_t i = 0; i < changes->taken_count; i++)
        log_write(LOG_LEVEL_NOTICE, "reload: %s", changes->taken[i]);
    for (size_t i = 0; i < changes->fixed_count; i++)
        log_write(LOG_LEVEL_WARNING, "reload: %s holds from the next start on", changes->fixed[i]);
    if (changes->taken_count == 0 && changes->fixed_count == 0)
        log_write(LOG_LEVEL_NOTICE, "reload: the configuration says what it said; the files that "
                                    "it names were read again");
}

/* 0, or -EINVAL or -ENOMEM with the reason; nothing has changed then. */
static int reload(struct server *server, struct config_changes *out_changes, struct wire_why *why)
{
    struct reload reload = {.changes = out_changes, .access_fd = -1};
    supervisor_say_reloading(&server->supervisor);
    int result = prepare(server, &reload, why);
    if (result == 0)
        apply(server, &reload);
    if (reload.access_fd >= 0)
        close(reload.access_fd);
    access_log_close(reload.access);
    warm_close(reload.warm);
    credential_table_destroy(reload.credentials);
    config_finish(&reload.fresh);
    supervisor_say_ready(&server->supervisor);
    if (result < 0)
        log_write(LOG_LEVEL_ERROR, "reload: %s; the configuration stays as it was", why->text);
    else
        log_changes(out_changes);
    return result;
}

void server_on_hangup(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    struct config_changes changes = {0};
    struct wire_why why;
    (void)number;
    if (server->state == SERVER_RUNNING)
        reload(server, &changes, &why);
    config_changes_finish(&changes);
}

/* ---- For those who may ---------------------------------------------------------------------- */

static int on_reload(void *ctx, struct config_changes *out_changes, struct wire_why *why)
{
    return reload(ctx, out_changes, why);
}

static void on_drain(void *ctx)
{
    server_drain(ctx);
}

const struct session_admin server_admin = {.reload = on_reload, .drain = on_drain};
