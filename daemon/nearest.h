/*
 * nearest: of the names that are known, the one that was probably meant. Ground floor: knows
 * nothing of ours.
 */
#pragma once

#include <stddef.h>

struct nearest {
    const char *wrong;
    const char *name; /* NULL: none is near */
    size_t distance;
};

/* Begins the search for what `wrong` was meant to be. Borrows both it and the names. */
struct nearest nearest_to(const char *wrong);

/* One of the names that are known. */
void nearest_offer(struct nearest *nearest, const char *name);
