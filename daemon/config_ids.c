/*
 * config_ids: users and groups, as names or numbers. Names are looked up when the file is read, and
 * not again; a number need not belong to anybody.
 */
#include "config_internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"

/* What the system says of one user or group: a group of many members takes room. */
#define ENTRY_LEAST_BYTES ((size_t)4 << 10)
#define ENTRY_MOST_BYTES  ((size_t)1 << 20)

/* (uid_t)-1 is nobody: chown(2) and others take it for "leave it as it is". */
#define ID_MOST (UINT32_MAX - 1)

/* 0, -ENOENT, or -ERANGE if the room is too small, or what else went wrong. */
static int look_up_in(char *room, size_t size, enum config_type type, const char *name,
                      uint32_t *out_id)
{
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    int error = type == CONFIG_USERS ? getpwnam_r(name, &user, room, size, &found_user)
                                     : getgrnam_r(name, &group, room, size, &found_group);
    if (found_user)
        *out_id = user.pw_uid;
    else if (found_group)
        *out_id = group.gr_gid;
    else /* getpwnam_r(3): these, too, may mean that there is no such name */
        return error == 0 || error == ESRCH || error == EBADF || error == EPERM ? -ENOENT : -error;
    return 0;
}

static int look_up(enum config_type type, const char *name, uint32_t *out_id)
{
    int result = -ERANGE;
    for (size_t size = ENTRY_LEAST_BYTES; result == -ERANGE && size <= ENTRY_MOST_BYTES;
         size *= 2) {
        char *room = malloc(size);
        if (!room)
            return -ENOMEM;
        result = look_up_in(room, size, type, name, out_id);
        free(room);
    }
    return result;
}

static int add(struct config_ids *ids, uint32_t id)
{
    uint32_t *items = reallocarray(ids->items, ids->count + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    ids->items = items;
    ids->items[ids->count++] = id;
    return 0;
}

static int add_word(struct config_ids *ids, enum config_type type, const char *word, char *out_why)
{
    const char *kind = type == CONFIG_USERS ? "user" : "group";
    uint32_t id = 0;
    uint64_t number;
    if (word[strspn(word, "0123456789")] == '\0') {
        if (config_value_count(word, &number) && number <= ID_MOST)
            return add(ids, (uint32_t)number);
        snprintf(out_why, CONFIG_WHY_BYTES, "%.60s is no number of a %s; expected 0 to %u", word,
                 kind, ID_MOST);
        return -EINVAL;
    }
    int result = look_up(type, word, &id);
    if (result == 0)
        return add(ids, id);
    if (result == -ENOMEM)
        return -ENOMEM;
    if (result == -ENOENT)
        snprintf(out_why, CONFIG_WHY_BYTES, "there is no %s \"%.100s\"", kind, word);
    else
        snprintf(out_why, CONFIG_WHY_BYTES, "the %s \"%.100s\" could not be looked up: %s", kind,
                 word, strerror(-result));
    return -EINVAL;
}

int config_ids_add(struct config_ids *ids, enum config_type type, const char *text, char *out_why)
{
    char word[CONFIG_LINE_BYTES];
    int result = 0;
    while (result == 0 && config_next_word(&text, word))
        result = add_word(ids, type, word, out_why);
    return result;
}

bool config_id_name(char *out_name, size_t size, enum config_type type, uint32_t id)
{
    char room[ENTRY_LEAST_BYTES];
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    if (type == CONFIG_USERS)
        getpwuid_r(id, &user, room, sizeof room, &found_user);
    else
        getgrgid_r(id, &group, room, sizeof room, &found_group);
    if (!found_user && !found_group)
        return false;
    snprintf(out_name, size, "%s", found_user ? user.pw_name : group.gr_name);
    return true;
}
