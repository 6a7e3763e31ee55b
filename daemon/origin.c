/* origin: see origin.h. */
#include "origin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

/* The weight of a new value in a moving mean: an eighth, as in TCP's round-trip time (RFC 6298). */
#define MEAN_SHIFT 3

static void origin_free(struct origin *origin)
{
    free(origin->name);
    free(origin->host);
    free(origin->phases);
    free(origin);
}

static void leave_unused(struct origin_table *table, struct origin *origin)
{
    DL_DELETE(table->unused, origin);
    table->unused_count--;
}

static void forget(struct origin_table *table, struct origin *origin)
{
    leave_unused(table, origin);
    HASH_DEL(table->by_name, origin);
    origin_free(origin);
}

void origin_table_finish(struct origin_table *table)
{
    struct origin *origin, *next;
    DL_FOREACH_SAFE (table->unused, origin, next)
        forget(table, origin);
    assert(!table->by_name); /* somebody holds one */
    origin_tally_set_finish(&table->tallies);
}

/* Only an IPv6 address is in brackets. */
static bool is_address(const char *host)
{
    struct in_addr address;
    return host[0] == '[' || inet_pton(AF_INET, host, &address) == 1;
}

static struct origin *add(struct origin_table *table, const char *name, const char *host)
{
    struct origin *origin = calloc(1, sizeof *origin);
    if (!origin)
        return NULL;
    origin->name = strdup(name);
    origin->host = strdup(host);
    origin->is_literal = is_address(host);
    origin->http = "";
    if (!origin->name || !origin->host) {
        origin_free(origin);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, table->by_name, origin->name, strlen(origin->name), origin);
    if (!origin->hh.tbl) {
        origin_free(origin);
        return NULL;
    }
    return origin;
}

struct origin *origin_hold(struct origin_table *table, const char *name, const char *host)
{
    struct origin *origin;
    HASH_FIND_STR(table->by_name, name, origin);
    if (!origin)
        origin = add(table, name, host);
    else if (origin->uses == 0)
        leave_unused(table, origin);
    if (origin)
        origin->uses++;
    return origin;
}

void origin_release(struct origin_table *table, struct origin *origin)
{
    assert(origin->uses > 0);
    if (--origin->uses > 0)
        return;
    DL_APPEND(table->unused, origin);
    if (++table->unused_count > ORIGIN_MOST_UNUSED)
        forget(table, table->unused);
}

void origin_join_tally(struct origin_table *table, struct origin *origin, size_t most)
{
    if (!origin->tally || origin->tally == &table->tallies.others)
        origin->tally = origin_tally_get(&table->tallies, origin->name, most);
}

static void clear_gauges(struct origin_tally *tally)
{
    tally->connections = tally->running = tally->queued = 0;
}

void origin_table_measure(struct origin_table *table)
{
    struct origin_tally *tally, *next_tally;
    const struct origin *origin, *next;
    clear_gauges(&table->tallies.others);
    HASH_ITER (hh, table->tallies.by_name, tally, next_tally)
        clear_gauges(tally);
    HASH_ITER (hh, table->by_name, origin, next) {
        tally = origin->tally ? origin->tally : &table->tallies.others;
        tally->connections += origin->connection_count - origin->opening;
        tally->running += origin->admission.running;
        tally->queued += origin->admission.queued;
    }
}

static void count_error(struct origin *origin, int code)
{
    for (size_t i = 0; i < ORIGIN_CODES; i++) {
        struct origin_error *error = &origin->errors[i];
        if (error->code != 0 && error->code != code)
            continue;
        error->code = code;
        error->count++;
        return;
    }
}

void origin_note_phase(struct origin *origin, enum stats_phase_name phase, uint64_t us)
{
    if (!origin->phases)
        origin->phases = calloc(STATS_PHASES, sizeof *origin->phases);
    if (origin->phases)
        histogram_add(&origin->phases[phase], us);
}

void origin_note_end(struct origin *origin, int code)
{
    origin->requests++;
    if (origin->tally)
        origin_tally_note_end(origin->tally, code);
    if (code == 0)
        return;
    origin->failed++;
    count_error(origin, code);
}

uint64_t origin_note_reuse(struct origin *origin)
{
    origin->handshakes_saved++;
    origin->saved_us += origin->opening_cost_us;
    return origin->opening_cost_us;
}

void origin_note_opening(struct origin *origin, uint64_t cost_us)
{
    if (origin->opening_cost_us == 0)
        origin->opening_cost_us = cost_us;
    else
        origin->opening_cost_us += (cost_us >> MEAN_SHIFT) -
                                   (origin->opening_cost_us >> MEAN_SHIFT);
}

void origin_note_failure(struct origin *origin, int code, const char *text, uint64_t now_ns)
{
    origin->failed_ns = now_ns;
    origin->failed_code = code;
    snprintf(origin->failed_text, sizeof origin->failed_text, "%s", text);
}

void origin_note_reached(struct origin *origin)
{
    origin->failed_ns = 0;
}
