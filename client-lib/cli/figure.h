/*
 * figure: numbers in few characters, for columns that are narrow and of one width. What is exact
 * but too long ("1234567") becomes short ("1.2M"); NAN, which stands for "not known", becomes "-".
 */
#pragma once

#include <stddef.h>

/* No figure is longer than this, its NUL included. */
#define FIGURE_BYTES 24

/* "0", "99999", "123k", "1.2M": five characters at most, up to 10^15. */
void figure_count(char out[FIGURE_BYTES], double number);

/* "0", "0.3", "9.9", "10", and on as a count: of a rate, or of milliseconds. */
void figure_fine(char out[FIGURE_BYTES], double number);

/* "99%", rounded down: only the whole is 100%. */
void figure_percent(char out[FIGURE_BYTES], double ratio);

/* "0.3s", "59s", "5m03", "3h04", "12d03": six characters at most, up to a thousand days. */
void figure_duration(char out[FIGURE_BYTES], double ms);
