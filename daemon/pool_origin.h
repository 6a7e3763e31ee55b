/*
 * pool_origin: what a pool remembers of origins when their connections are gone: so far, whether
 * one spoke HTTP/1.1. Over such a connection nothing can be shared, so that nobody should wait for
 * it; libcurl knows that only of open ones. Bounded: the origin noted first is forgotten first.
 */
#pragma once

#include <stdbool.h>

struct pool_origin;

struct pool_origins {
    struct pool_origin *by_name;
};

void pool_origins_finish(struct pool_origins *origins);

/* An answer came in this version of HTTP. Without memory nothing is noted. */
void pool_origins_note(struct pool_origins *origins, const char *name, const char *http);

bool pool_origins_speaks_http_1(const struct pool_origins *origins, const char *name);
