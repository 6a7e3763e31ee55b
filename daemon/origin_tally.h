/*
 * origin_tally: what is counted of an origin for good. The record of an origin is forgotten in time
 * and begins anew; a counter that somebody draws rates of must not. So tallies are never removed,
 * and for that they are bounded: the first origins that are asked for have one each, all others
 * share one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

/* A name that is longer is no label: no host name is (253 bytes, RFC 1035). */
#define ORIGIN_TALLY_NAME_BYTES 300

struct origin_tally {
    char *name; /* NULL: the others' */
    uint64_t requests, errors;
    uint64_t connections, running, queued; /* by origin_table_measure() */
    UT_hash_handle hh;
};

/* Zeros to begin with. */
struct origin_tally_set {
    struct origin_tally *by_name; /* in the order of their coming */
    struct origin_tally others;
};

void origin_tally_set_finish(struct origin_tally_set *set);

/* The tally of this name. Where there is none: a new one if there are fewer than `most`, else that
 * of the others; without memory, too. */
struct origin_tally *origin_tally_get(struct origin_tally_set *set, const char *name, size_t most);

/* A request ended, with this code or, by code 0, well. */
void origin_tally_note_end(struct origin_tally *tally, int code);
