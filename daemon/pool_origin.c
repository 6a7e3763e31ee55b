/* pool_origin: see pool_origin.h. Only origins that speak HTTP/1.1 have an entry. */
#include "pool_origin.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

/* A name and an entry are some 150 bytes. */
#define POOL_ORIGINS_MOST 4096

struct pool_origin {
    char *name;
    UT_hash_handle hh;
};

static void forget(struct pool_origins *origins, struct pool_origin *origin)
{
    HASH_DEL(origins->by_name, origin);
    free(origin->name);
    free(origin);
}

void pool_origins_finish(struct pool_origins *origins)
{
    struct pool_origin *origin, *next;
    HASH_ITER (hh, origins->by_name, origin, next)
        forget(origins, origin);
}

static struct pool_origin *find(const struct pool_origins *origins, const char *name)
{
    struct pool_origin *origin;
    HASH_FIND_STR(origins->by_name, name, origin);
    return origin;
}

static void add(struct pool_origins *origins, const char *name)
{
    struct pool_origin *origin = calloc(1, sizeof *origin);
    char *copy = strdup(name);
    if (origin && copy) {
        origin->name = copy;
        HASH_ADD_KEYPTR(hh, origins->by_name, copy, strlen(copy), origin);
    }
    if (!origin || !copy || !origin->hh.tbl) {
        free(origin);
        free(copy);
    }
}

void pool_origins_note(struct pool_origins *origins, const char *name, const char *http)
{
    struct pool_origin *origin = find(origins, name);
    bool is_http_1 = http[0] == '1';
    if (is_http_1 == (origin != NULL))
        return;
    if (origin) {
        forget(origins, origin);
        return;
    }
    if (HASH_COUNT(origins->by_name) >= POOL_ORIGINS_MOST)
        forget(origins, origins->by_name); /* uthash keeps the order of adding */
    add(origins, name);
}

bool pool_origins_speaks_http_1(const struct pool_origins *origins, const char *name)
{
    return find(origins, name) != NULL;
}
