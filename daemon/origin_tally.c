/* origin_tally: see origin_tally.h. */
#include "origin_tally.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void tally_free(struct origin_tally *tally)
{
    free(tally->name);
    free(tally);
}

void origin_tally_set_finish(struct origin_tally_set *set)
{
    struct origin_tally *tally, *next;
    HASH_ITER (hh, set->by_name, tally, next) {
        HASH_DEL(set->by_name, tally);
        tally_free(tally);
    }
}

static struct origin_tally *add(struct origin_tally_set *set, const char *name)
{
    struct origin_tally *tally = calloc(1, sizeof *tally);
    if (!tally)
        return &set->others;
    tally->name = strdup(name);
    if (tally->name)
        HASH_ADD_KEYPTR(hh, set->by_name, tally->name, strlen(tally->name), tally);
    if (tally->hh.tbl)
        return tally;
    tally_free(tally);
    return &set->others;
}

struct origin_tally *origin_tally_get(struct origin_tally_set *set, const char *name, size_t most)
{
    struct origin_tally *tally;
    HASH_FIND_STR(set->by_name, name, tally);
    if (tally)
        return tally;
    bool is_new = HASH_COUNT(set->by_name) < most && strlen(name) <= ORIGIN_TALLY_NAME_BYTES;
    return is_new ? add(set, name) : &set->others;
}

void origin_tally_note_end(struct origin_tally *tally, int code)
{
    tally->requests++;
    tally->errors += code != 0;
}
