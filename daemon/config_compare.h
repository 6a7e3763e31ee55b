/* config_compare: in what two configurations differ, as sentences. */
#pragma once

#include "config.h"

/* Each is `[limits] max_body: 16MiB -> 64MiB`, or of a list, a section or the path of a URL that
 * it was added, changed or removed. What is secret is not in it. Owned. */
struct config_changes {
    char **taken; /* what can be changed while the daemon runs */
    size_t taken_count;
    char **fixed; /* what holds from the next start on: config_key_is_fixed() */
    size_t fixed_count;
};

/* In the order of the table. 0 or -ENOMEM; to be finished in either case. */
int config_compare(const struct config *before, const struct config *after,
                   struct config_changes *out_changes);
void config_changes_finish(struct config_changes *changes);
