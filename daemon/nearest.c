/* nearest: see nearest.h. */
#include "nearest.h"

#include <string.h>

/* Longer names than those of the configuration are near to nothing. */
#define NAME_MOST_BYTES 40

/* One mistake in three letters is too many to guess by. */
#define LETTERS_A_MISTAKE 3

struct nearest nearest_to(const char *wrong)
{
    return (struct nearest){.wrong = wrong, .distance = strlen(wrong) / LETTERS_A_MISTAKE + 1};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * How many letters have to be left out, put in, replaced or swapped with their neighbour (optimal
 * string alignment). Three rows of the table are enough: the latest, and the two before it.
 */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NAME_MOST_BYTES + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, replaced);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    size_t wrong_length = strlen(nearest->wrong), length = strlen(name);
    if (wrong_length > NAME_MOST_BYTES || length > NAME_MOST_BYTES)
        return;
    size_t found = distance(nearest->wrong, wrong_length, name, length);
    if (found >= nearest->distance)
        return;
    nearest->name = name;
    nearest->distance = found;
}
