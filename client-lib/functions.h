/*
 * functions: the caller's functions that a request streams by. NULL where it does not.
 */
#pragma once

#include "fetchpool.h"

struct functions {
    fetchpool_on_headers on_headers;
    void *headers_ctx;
    fetchpool_on_body on_body;
    void *body_ctx;
    fetchpool_on_read on_read;
    void *read_ctx;
};
