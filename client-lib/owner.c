/* owner: see owner.h. The reasons go on where "the socket PATH" ends: see failure_to_connect(). */
#include "owner.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "FETCHPOOL_SOCKET_OWNER"

/* For one entry of the user database; those of real users have some hundred bytes. */
#define ENTRY_BYTES 16384

/* ---- The user that is named ------------------------------------------------------------------ */

/* A number is taken as it is, so that it works for users whom this host has no name for. */
static bool read_number(uid_t *out_user, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool is_digits = strspn(text, "0123456789") == strlen(text);
    if (!is_digits || errno || number >= (uid_t)-1) /* which means "no user" to the kernel */
        return false;
    *out_user = (uid_t)number;
    return true;
}

/* 0; -ENOENT if there is none or it cannot be told; -ENOMEM. */
static int look_up(uid_t *out_user, const char *name)
{
    char bytes[ENTRY_BYTES];
    struct passwd entry;
    struct passwd *found = NULL;
    int error = getpwnam_r(name, &entry, bytes, sizeof bytes, &found);
    if (!found)
        return error == ENOMEM ? -ENOMEM : -ENOENT;
    *out_user = entry.pw_uid;
    return 0;
}

int owner_init(struct owner *out_owner)
{
    const char *text = secure_getenv(VARIABLE);
    *out_owner = (struct owner){0};
    if (!text || !*text)
        return 0;
    int result = read_number(&out_owner->named, text) ? 0 : look_up(&out_owner->named, text);
    out_owner->is_named = result == 0;
    if (result != -ENOENT)
        return result;
    out_owner->unknown = strdup(text);
    return out_owner->unknown ? 0 : -ENOMEM;
}

void owner_finish(struct owner *owner)
{
    free(owner->unknown);
    owner->unknown = NULL;
}

int owner_check_name(const struct owner *owner, struct wire_why *why)
{
    if (!owner->unknown)
        return 0;
    wire_why_set(why, "is not used: " VARIABLE " names \"%.64s\", and there is no such user",
                 owner->unknown);
    return -EPERM;
}

/* ---- The user that is there ------------------------------------------------------------------ */

/* What a user is called: "alice", or the number where there is no name. */
struct name {
    char text[64];
};

static struct name name_of(uid_t user)
{
    char bytes[ENTRY_BYTES];
    struct passwd entry;
    struct passwd *found = NULL;
    struct name name;
    getpwuid_r(user, &entry, bytes, sizeof bytes, &found);
    if (found)
        snprintf(name.text, sizeof name.text, "%s", entry.pw_name);
    else
        snprintf(name.text, sizeof name.text, "%u", (unsigned)user);
    return name;
}

/* With the number behind the name: "alice (1000)". */
struct label {
    char text[96];
};

static struct label label_of(uid_t user)
{
    struct name name = name_of(user);
    struct label label;
    if (user == 0)
        snprintf(label.text, sizeof label.text, "root");
    else
        snprintf(label.text, sizeof label.text, "%s (%u)", name.text, (unsigned)user);
    return label;
}

/* Those whose it may be: "neither root, alice (1000) nor bob (1001)". */
static void write_accepted(const struct owner *owner, char *out_text, size_t size)
{
    struct label self = label_of(geteuid());
    struct label named = label_of(owner->named);
    bool is_other = owner->is_named && owner->named != 0 && owner->named != geteuid();
    if (geteuid() == 0 && is_other)
        snprintf(out_text, size, "neither root nor %s", named.text);
    else if (geteuid() == 0)
        snprintf(out_text, size, "not root");
    else if (is_other)
        snprintf(out_text, size, "neither root, %s nor %s", self.text, named.text);
    else
        snprintf(out_text, size, "neither root nor %s", self.text);
}

int owner_check(const struct owner *owner, uid_t user, const char *is, struct wire_why *why)
{
    char accepted[256];
    if (user == 0 || user == geteuid() || (owner->is_named && user == owner->named))
        return 0;
    write_accepted(owner, accepted, sizeof accepted);
    wire_why_set(why, "%s %s, %s; " VARIABLE "=%s would allow it", is, label_of(user).text,
                 accepted, name_of(user).text);
    return -EPERM;
}
