/* admin: config, reload and drain: what the daemon answers its administrator, for reading. */
#pragma once

#include "report.h"

/* How the answer to a question of that name is shown; NULL if it is none of these. */
report_render admin_render_of(const char *subject);
