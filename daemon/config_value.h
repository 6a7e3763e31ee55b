/*
 * config_value: values as people write them in the configuration: numbers with units, and back; and
 * what else can be told of a value by itself.
 * The parsers take the whole text or nothing, and refuse what does not fit 64 bits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool config_value_boolean(const char *text, bool *out_boolean); /* yes, no, true, false, on, off */
bool config_value_count(const char *text, uint64_t *out_count);
bool config_value_bytes(const char *text, uint64_t *out_bytes); /* none, KiB, MiB, GiB */
bool config_value_duration(const char *text, uint64_t *out_ms); /* ms, s, m, h, d; 0 needs none */

/* Can the file be read, and is there the begin of a certificate in it? */
bool config_value_is_pem_file(const char *path);
bool config_value_is_proxy(const char *url);
/* Scheme, host and perhaps port, and nothing else? */
bool config_value_is_origin(const char *url);
/* A path that can stand in a request, perhaps with a query? */
bool config_value_is_path(const char *path);

/* The shortest way to write it: "16MiB", "90s", "512". */
void config_value_print(char *out_text, size_t size, bool is_bytes, bool is_duration,
                        uint64_t number);
