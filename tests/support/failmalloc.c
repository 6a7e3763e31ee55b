/*
 * failmalloc: preloaded into a program, makes one allocation of it fail, by number, and counts
 * those that live. Whose allocation it is says the mapping that the caller's address lies in: our
 * code (the daemon, libfetchpool), or a library that is wanted too. Controlled while the program
 * runs through a shared file, which FAILMALLOC_FILE names and failmalloc.py writes.
 *
 * Memory is libc's own, by its __libc_ names, so that free() and malloc_usable_size() know it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum owner { OWNER_OURS, OWNER_CURL, OWNER_UV, OWNER_MSGPACK, OWNER_INIH, OWNERS, OWNER_OTHER };

/* The same in failmalloc.py. */
struct control {
    uint64_t owners;      /* bit N: allocations of owner N are counted, and may fail */
    uint64_t fail_at;     /* the number of the one that fails; 0: none */
    uint64_t seen;        /* how many have been counted */
    uint64_t failed;      /* how many of these have failed */
    uint64_t failed_site; /* where the last that failed was asked for, as an offset in its file */
    uint64_t live[OWNERS];
};

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

/* ---- Whose code asks ------------------------------------------------------------------------- */

#define MOST_RANGES 32

static struct range {
    uintptr_t base, from, to;
    enum owner owner;
} ranges[MOST_RANGES];
static size_t range_count;

static enum owner owner_of_file(const char *path)
{
    static const struct {
        const char *beginning;
        enum owner owner;
    } files[] = {
        {"fetchpoold", OWNER_OURS},     {"libfetchpool.", OWNER_OURS},
        {"libcurl.", OWNER_CURL},       {"libcurl-", OWNER_CURL},
        {"libuv.", OWNER_UV},           {"libmsgpackc.", OWNER_MSGPACK},
        {"libmsgpack-", OWNER_MSGPACK}, {"libinih.", OWNER_INIH},
    };
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (strncmp(name, files[i].beginning, strlen(files[i].beginning)) == 0)
            return files[i].owner;
    }
    return OWNER_OTHER;
}

static int see_object(struct dl_phdr_info *object, size_t size, void *program)
{
    (void)size;
    /* The program itself comes first, without a name. */
    const char *path = object->dlpi_name[0] ? object->dlpi_name : program;
    enum owner owner = owner_of_file(path);
    for (size_t i = 0; owner != OWNER_OTHER && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        uintptr_t from = object->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) && range_count < MOST_RANGES)
            ranges[range_count++] = (struct range){object->dlpi_addr, from, from + header->p_memsz,
                                                   owner};
    }
    return 0;
}

static const struct range *range_of(const void *caller)
{
    for (size_t i = 0; i < range_count; i++) {
        if ((uintptr_t)caller >= ranges[i].from && (uintptr_t)caller < ranges[i].to)
            return &ranges[i];
    }
    return NULL;
}

/* ---- What lives ------------------------------------------------------------------------------ */

#define SLOTS   ((size_t)1 << 20) /* far more than live at a time in any test */
#define REMOVED 1

static struct control *control;
static struct slot {
    uintptr_t memory; /* 0: never used */
    enum owner owner;
} * slots;
static int is_locked;

static void lock(void)
{
    while (__atomic_exchange_n(&is_locked, 1, __ATOMIC_ACQUIRE))
        ;
}

static void unlock(void)
{
    __atomic_store_n(&is_locked, 0, __ATOMIC_RELEASE);
}

static size_t slot_of(uintptr_t memory)
{
    return (memory >> 4) * 0x9e3779b97f4a7c15 >> 44;
}

static void remember(const void *memory, const struct range *range)
{
    if (!memory || !range)
        return;
    lock();
    size_t i = slot_of((uintptr_t)memory);
    while (slots[i].memory > REMOVED)
        i = (i + 1) % SLOTS;
    slots[i] = (struct slot){(uintptr_t)memory, range->owner};
    control->live[range->owner]++;
    unlock();
}

static void forget(const void *memory)
{
    if (!memory || !slots)
        return;
    lock();
    size_t i = slot_of((uintptr_t)memory);
    while (slots[i].memory != 0 && slots[i].memory != (uintptr_t)memory)
        i = (i + 1) % SLOTS;
    if (slots[i].memory != 0) {
        control->live[slots[i].owner]--;
        /* What ends a run of slots can be free for good: else every search would grow. */
        slots[i].memory = slots[(i + 1) % SLOTS].memory == 0 ? 0 : REMOVED;
    }
    unlock();
}

/* ---- Which one fails ------------------------------------------------------------------------- */

__attribute__((constructor)) static void start(void)
{
    static char program[4096];
    const char *path = getenv("FAILMALLOC_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return;
    void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    void *table = mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || table == MAP_FAILED)
        _exit(127);
    control = shared;
    slots = table;
    dl_iterate_phdr(see_object, program);
}

static bool must_fail(const struct range *range, const void *caller)
{
    if (!range || !(control->owners & 1U << range->owner))
        return false;
    uint64_t number = __atomic_add_fetch(&control->seen, 1, __ATOMIC_RELAXED);
    if (number != control->fail_at)
        return false;
    control->failed_site = (uintptr_t)caller - range->base;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELEASE);
    errno = ENOMEM;
    return true;
}

/* ---- In place of libc's ---------------------------------------------------------------------- */

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

static void *allocate(size_t size, const void *caller)
{
    const struct range *range = range_of(caller);
    if (must_fail(range, caller))
        return NULL;
    void *memory = __libc_malloc(size);
    remember(memory, range);
    return memory;
}

void *malloc(size_t size)
{
    return allocate(size, CALLER);
}

void *calloc(size_t count, size_t size)
{
    const struct range *range = range_of(CALLER);
    if (must_fail(range, CALLER))
        return NULL;
    void *memory = __libc_calloc(count, size);
    remember(memory, range);
    return memory;
}

static void *allocate_again(void *old, size_t size, const void *caller)
{
    const struct range *range = range_of(caller);
    if (must_fail(range, caller))
        return NULL;
    forget(old); /* first: another thread may get its address at once */
    void *memory = __libc_realloc(old, size);
    if (!memory && size > 0)
        _exit(127); /* real want of memory is not for these tests */
    remember(memory, range);
    return memory;
}

void *realloc(void *old, size_t size)
{
    return allocate_again(old, size, CALLER);
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return allocate_again(old, bytes, CALLER);
}

void free(void *memory)
{
    forget(memory);
    __libc_free(memory);
}

int posix_memalign(void **out_memory, size_t alignment, size_t size)
{
    const struct range *range = range_of(CALLER);
    if (must_fail(range, CALLER))
        return ENOMEM;
    void *memory = __libc_memalign(alignment, size);
    remember(memory, range);
    if (memory)
        *out_memory = memory;
    return memory ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    const struct range *range = range_of(CALLER);
    if (must_fail(range, CALLER))
        return NULL;
    void *memory = __libc_memalign(alignment, size);
    remember(memory, range);
    return memory;
}

static char *copy(const char *text, size_t length, const void *caller)
{
    char *memory = allocate(length + 1, caller);
    if (memory) {
        memcpy(memory, text, length);
        memory[length] = '\0';
    }
    return memory;
}

char *strdup(const char *text)
{
    return copy(text, strlen(text), CALLER);
}

char *strndup(const char *text, size_t most)
{
    return copy(text, strnlen(text, most), CALLER);
}

static int print(char **out_text, const char *format, va_list values, const void *caller)
{
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : allocate((size_t)length + 1, caller);
    if (!text)
        return -1;
    vsnprintf(text, (size_t)length + 1, format, values);
    *out_text = text;
    return length;
}

#define PRINT()                                                                                    \
    va_list values;                                                                                \
    va_start(values, format);                                                                      \
    int length = print(out_text, format, values, CALLER);                                          \
    va_end(values);                                                                                \
    return length

int asprintf(char **out_text, const char *format, ...)
{
    PRINT();
}

int __asprintf_chk(char **out_text, int flag, const char *format, ...);
int __asprintf_chk(char **out_text, int flag, const char *format, ...)
{
    (void)flag;
    PRINT();
}

int vasprintf(char **out_text, const char *format, va_list values)
{
    return print(out_text, format, values, CALLER);
}

int __vasprintf_chk(char **out_text, int flag, const char *format, va_list values);
int __vasprintf_chk(char **out_text, int flag, const char *format, va_list values)
{
    (void)flag;
    return print(out_text, format, values, CALLER);
}

/* libcurl's own are told by where libcurl asks: so it asks libc itself. */
typedef int initializer(long flags);
int curl_global_init_mem(long flags, ...);
int curl_global_init_mem(long flags, ...)
{
    initializer *next = (initializer *)dlsym(RTLD_NEXT, "curl_global_init");
    return next(flags);
}

/* Streams are libc's to free, so only their making fails; they are not among what lives. */
FILE *fopen(const char *path, const char *mode)
{
    FILE *(*next)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");
    return must_fail(range_of(CALLER), CALLER) ? NULL : next(path, mode);
}

FILE *fdopen(int fd, const char *mode)
{
    FILE *(*next)(int, const char *) = dlsym(RTLD_NEXT, "fdopen");
    return must_fail(range_of(CALLER), CALLER) ? NULL : next(fd, mode);
}

FILE *open_memstream(char **out_text, size_t *out_length)
{
    FILE *(*next)(char **, size_t *) = dlsym(RTLD_NEXT, "open_memstream");
    return must_fail(range_of(CALLER), CALLER) ? NULL : next(out_text, out_length);
}
