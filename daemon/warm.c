/* warm: see warm.h. */
#include "warm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "log.h"

#define NS_PER_MS 1000000

/* A quarter of the shortest idle limit that can be learned, with its margin, of a second or more.
 */
#define TICK_MS 200

/* Between attempts to open what is missing, while they do not lead to it. */
#define LEAST_PAUSE_MS 1000
#define MOST_PAUSE_MS  60000

/* No user has it: it is what chown(2) takes for "leave it". */
#define WARM_UID ((uid_t)-1)

struct warm {
    const struct fetch_context *fetches;
    uv_timer_t timer;
    struct warm_origin *origins;
    size_t count;
    struct stall_group group; /* its own, which never stalls */
};

struct warm_origin {
    struct warm *warm;
    const struct config_origin *config;
    char *url;             /* with the path */
    struct origin *origin; /* held */
    struct warm_call *calls;
    size_t running;
    uint64_t pause_ms;
    uint64_t next_ns; /* the next attempt to open what is missing */
};

/* One request. */
struct warm_call {
    struct warm_origin *origin;
    struct fetch *fetch;
    struct warm_call *prev, *next;
};

/* ---- Requests ------------------------------------------------------------------------------- */

static void remove_call(struct warm_call *call)
{
    DL_DELETE(call->origin->calls, call);
    call->origin->running--;
    free(call);
}

static int on_hold(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return 0; /* the answer to HEAD has no body */
}

static void note(const struct warm_call *call, int code)
{
    struct access_entry entry;
    fetch_account(call->fetch, &entry);
    entry.is_warming = true;
    entry.code = code;
    access_log_write(call->origin->warm->fetches->access, &entry);
}

/* Before anything was sent, the sentence is about connecting; later it might hold some of what the
 * origin said. */
static void on_end(void *ctx, const struct fetch_outcome *outcome)
{
    struct warm_call *call = ctx;
    const char *name = fetchpool_code_name(outcome->code);
    bool is_about_connecting = fetchpool_code_class(outcome->code) == FETCHPOOL_CLASS_NOT_SENT;
    struct log_about about = {.origin = call->origin->origin->name,
                              .code = outcome->code,
                              .error = name};
    note(call, outcome->code);
    if (outcome->code != 0)
        log_write_about(LOG_LEVEL_DEBUG, &about, "keeping %s warm: error %d: %s",
                        call->origin->config->name, outcome->code,
                        is_about_connecting ? outcome->message : name);
    remove_call(call);
}

static const struct fetch_events fetch_events = {
    .on_hold = on_hold,
    .on_end = on_end,
};

/* NULL without memory; the URL was checked at the start. */
static struct request *make_request(const struct warm_origin *origin)
{
    struct wire_fetch asked;
    struct request *request;
    struct wire_why why;
    wire_fetch_init(&asked);
    asked.url = wire_str_of(origin->url);
    asked.method = wire_str_of("HEAD");
    const struct fetch_context *context = origin->warm->fetches;
    int code = request_create(&request, &asked, context->config, context->urls, &why);
    return code == 0 ? request : NULL;
}

/* Without memory nothing is asked; the next tick tries again. */
static void ask(struct warm_origin *origin, enum pool_choice choice, uint64_t number)
{
    struct warm *warm = origin->warm;
    struct warm_call *call = calloc(1, sizeof *call);
    struct request *request = call ? make_request(origin) : NULL;
    if (!request) {
        free(call);
        return;
    }
    call->origin = origin;
    struct fetch_client self = {.group = &warm->group};
    call->fetch = fetch_create(warm->fetches, request, &self, &fetch_events, call);
    if (!call->fetch) {
        free(call);
        return;
    }
    fetch_choose(call->fetch, choice, number);
    DL_APPEND(origin->calls, call);
    origin->running++;
}

/* ---- Looking after -------------------------------------------------------------------------- */

static void open_missing(struct warm_origin *origin, size_t missing, uint64_t now)
{
    bool is_resting = breaker_ask(&origin->origin->breaker, now / NS_PER_MS) != BREAKER_GO;
    if (now < origin->next_ns || is_resting)
        return;
    uint64_t pause_ms = origin->pause_ms;
    origin->next_ns = now + pause_ms * NS_PER_MS;
    origin->pause_ms = 2 * pause_ms < MOST_PAUSE_MS ? 2 * pause_ms : MOST_PAUSE_MS;
    while (missing-- > 0)
        ask(origin, POOL_NEW, 0);
}

/* One more than may be open would close another one. */
static uint64_t most_warm(const struct warm_origin *origin)
{
    uint64_t most = origin->warm->fetches->config->connections_per_origin;
    return origin->config->warm < most ? origin->config->warm : most;
}

static void look_after(struct warm_origin *origin, uint64_t now)
{
    const struct warm *warm = origin->warm;
    struct pool_want want = {
        .origin = origin->origin,
        .kind = strncmp(origin->url, "https:", 6) == 0 ? POOL_EITHER : POOL_HTTP_1,
    };
    if (origin->running > 0)
        return;
    struct pool_outlook outlook = pool_look(warm->fetches->dispatch->pool, &want,
                                            most_warm(origin));
    if (outlook.usable < most_warm(origin)) {
        open_missing(origin, most_warm(origin) - outlook.usable, now);
        return;
    }
    origin->pause_ms = LEAST_PAUSE_MS;
    origin->next_ns = 0;
    if (outlook.has_aging)
        ask(origin, POOL_THIS, outlook.number);
}

static void on_tick(uv_timer_t *timer)
{
    struct warm *warm = timer->data;
    uint64_t now = uv_hrtime();
    for (size_t i = 0; i < warm->count; i++)
        look_after(&warm->origins[i], now);
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* As many as it may have are kept warm: look_after() sees to that. */
static void warn_of_limit(const struct config_origin *wanted, const struct config *config)
{
    if (wanted->warm > config->connections_per_origin)
        log_write(LOG_LEVEL_NOTICE,
                  "[origin \"%s\"] warm is %llu, lowered to %llu: [pool] connections_per_origin",
                  wanted->name, (unsigned long long)wanted->warm,
                  (unsigned long long)config->connections_per_origin);
}

/* 0, -ENOMEM, or -EINVAL with the reason. */
static int meet_origin(struct warm *warm, const struct config_origin *wanted,
                       const struct config *config, struct wire_why *why)
{
    struct warm_origin *origin = &warm->origins[warm->count++];
    struct wire_why reason;
    struct url url;
    char *text = NULL;
    if (asprintf(&text, "%s%s", wanted->name, wanted->warm_path) < 0)
        return -ENOMEM;
    int result = url_parse(&url, wire_str_of(text), config->max_url_bytes, &reason);
    if (result < 0) {
        wire_why_set(why, "[origin \"%.120s\"] with its warm_path: %s", wanted->name, reason.text);
        free(text);
        return result;
    }
    warn_of_limit(wanted, config);
    *origin = (struct warm_origin){
        .warm = warm,
        .config = wanted,
        .url = text,
        .origin = origin_hold(warm->fetches->dispatch->origins, url.origin, url.host),
        .pause_ms = LEAST_PAUSE_MS,
    };
    url_finish(&url);
    return origin->origin ? 0 : -ENOMEM;
}

static int meet_origins(struct warm *warm, const struct config *config, struct wire_why *why)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < config->origin_count; i++) {
        if (config->origins[i].warm > 0)
            result = meet_origin(warm, &config->origins[i], config, why);
    }
    return result;
}

static void forget_origins(struct warm *warm)
{
    for (size_t i = 0; i < warm->count; i++) {
        free(warm->origins[i].url);
        if (warm->origins[i].origin)
            origin_release(warm->fetches->dispatch->origins, warm->origins[i].origin);
    }
    free(warm->origins);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int warm_open(struct warm **out_warm, uv_loop_t *loop, const struct fetch_context *fetches,
              const struct config *config, struct wire_why *why)
{
    struct warm *warm = calloc(1, sizeof *warm);
    if (!warm)
        return -ENOMEM;
    *warm = (struct warm){.fetches = fetches, .group = {.uid = WARM_UID}};
    warm->origins = calloc(config->origin_count + 1, sizeof *warm->origins);
    int result = warm->origins ? meet_origins(warm, config, why) : -ENOMEM;
    if (result < 0) {
        if (warm->origins)
            forget_origins(warm);
        free(warm);
        return result;
    }
    uv_timer_init(loop, &warm->timer);
    warm->timer.data = warm;
    *out_warm = warm;
    return 0;
}

void warm_start(struct warm *warm)
{
    if (warm->count > 0)
        uv_timer_start(&warm->timer, on_tick, 0, TICK_MS);
}

void warm_close(struct warm *warm)
{
    struct warm_call *call, *next;
    if (!warm)
        return;
    for (size_t i = 0; i < warm->count; i++) {
        DL_FOREACH_SAFE (warm->origins[i].calls, call, next) {
            note(call, fetch_get_abandon_code(call->fetch));
            fetch_abandon(call->fetch);
            remove_call(call);
        }
    }
    forget_origins(warm);
    uv_close((uv_handle_t *)&warm->timer, on_closed);
}
