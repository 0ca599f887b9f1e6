/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private memory for DPDK secondaries, behind the names of rte_malloc.h. The
 * linker sends every call from another object file here (see the header).
 *
 * A private block is preceded by a header whose magic is mixed with the block's
 * own address, so that rte_free can tell it from a block of DPDK's heap, even
 * after a copy of the header ended up somewhere else. Reading the words before
 * a foreign block is safe: blocks of DPDK's heap are preceded by its own, larger
 * element header.
 *
 * The socket asked for is ignored: libc memory lies on the node of the thread
 * that first touches it, which is the one that uses it.
 */
#include "common/private_heap.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

/* clang-format off */
void *__real_rte_malloc(const char *type, size_t size, unsigned int align);
void *__real_rte_zmalloc(const char *type, size_t size, unsigned int align);
void *__real_rte_calloc(const char *type, size_t num, size_t size, unsigned int align);
void *__real_rte_realloc(void *ptr, size_t size, unsigned int align);
void *__real_rte_malloc_socket(const char *type, size_t size, unsigned int align, int socket);
void *__real_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket);
void *__real_rte_calloc_socket(const char *type, size_t num, size_t size, unsigned int align, int socket);
void *__real_rte_realloc_socket(void *ptr, size_t size, unsigned int align, int socket);
void __real_rte_free(void *ptr);
int __real_rte_malloc_validate(const void *ptr, size_t *size);
rte_iova_t __real_rte_malloc_virt2iova(const void *ptr);

void *__wrap_rte_malloc(const char *type, size_t size, unsigned int align);
void *__wrap_rte_zmalloc(const char *type, size_t size, unsigned int align);
void *__wrap_rte_calloc(const char *type, size_t num, size_t size, unsigned int align);
void *__wrap_rte_realloc(void *ptr, size_t size, unsigned int align);
void *__wrap_rte_malloc_socket(const char *type, size_t size, unsigned int align, int socket);
void *__wrap_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket);
void *__wrap_rte_calloc_socket(const char *type, size_t num, size_t size, unsigned int align, int socket);
void *__wrap_rte_realloc_socket(void *ptr, size_t size, unsigned int align, int socket);
void __wrap_rte_free(void *ptr);
int __wrap_rte_malloc_validate(const void *ptr, size_t *size);
rte_iova_t __wrap_rte_malloc_virt2iova(const void *ptr);
/* clang-format on */

#define BLOCK_MAGIC 0x7672707269766174ull
#define BLOCK_FREED 0x7672667265656421ull

/* Lies directly before the block it describes. */
struct block {
	void *base;  /* what libc gave us */
	size_t size; /* bytes asked for */
	uint64_t align;
	uint64_t magic; /* BLOCK_MAGIC mixed with the address of the block */
};

static bool forced;
static uint64_t refused;
static uint64_t bytes_in_use;

void
private_heap_force(bool private)
{
	__atomic_store_n(&forced, private, __ATOMIC_RELAXED);
}

bool
private_heap_active(void)
{
	return __atomic_load_n(&forced, __ATOMIC_RELAXED) ||
	       rte_eal_process_type() == RTE_PROC_SECONDARY;
}

uint64_t
private_heap_refused(void)
{
	return __atomic_load_n(&refused, __ATOMIC_RELAXED);
}

uint64_t
private_heap_bytes(void)
{
	return __atomic_load_n(&bytes_in_use, __ATOMIC_RELAXED);
}

static void
refuse(void)
{
	__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
}

static uint64_t
magic_of(const void *ptr, uint64_t kind)
{
	return kind ^ ((uint64_t)(uintptr_t)ptr * 0x9e3779b97f4a7c15ull);
}

/* Returns the header of a private block, or NULL if 'ptr' is not one. */
static struct block *
block_of(const void *ptr)
{
	struct block *b;

	/* Ours are aligned to a cache line at least; nor do we read far from
	 * a pointer that no heap gave out. */
	if (ptr == NULL || (uintptr_t)ptr % RTE_CACHE_LINE_SIZE != 0)
		return NULL;
	b = (struct block *)(uintptr_t)ptr - 1;
	return b->magic == magic_of(ptr, BLOCK_MAGIC) ? b : NULL;
}

/*
 * A type ending in TAILQ_ENTRY is the list entry of a named DPDK object. The
 * list is in shared memory and all processes walk it: a private entry there
 * would crash them. The creating function fails cleanly when it gets NULL.
 */
static bool
is_shared_list_entry(const char *type)
{
	return type != NULL && strstr(type, "TAILQ_ENTRY") != NULL;
}

static void *
private_alloc(const char *type, size_t size, size_t align, bool zero)
{
	struct block *b;
	size_t head, total;
	void *base;
	char *ptr;

	if (is_shared_list_entry(type)) {
		refuse();
		rte_errno = E_RTE_SECONDARY;
		return NULL;
	}
	if (align < RTE_CACHE_LINE_SIZE)
		align = RTE_CACHE_LINE_SIZE;
	if (size == 0 || (align & (align - 1)) != 0)
		return NULL;

	/* The header takes one alignment unit, so that what follows is aligned. */
	head = RTE_MAX(align, sizeof(*b));
	if (__builtin_add_overflow(head, size, &total))
		return NULL;
	if (posix_memalign(&base, align, total) != 0)
		return NULL;

	ptr = (char *)base + head;
	b = (struct block *)ptr - 1;
	b->base = base;
	b->size = size;
	b->align = align;
	b->magic = magic_of(ptr, BLOCK_MAGIC);
	if (zero)
		memset(ptr, 0, size);
	__atomic_fetch_add(&bytes_in_use, size, __ATOMIC_RELAXED);
	return ptr;
}

static void
private_free(struct block *b)
{
	/* Atomic, so that the store is not dropped as dead: a second free of
	 * the same block should meet a wrong magic rather than a right one. */
	__atomic_store_n(&b->magic, magic_of(b + 1, BLOCK_FREED), __ATOMIC_RELAXED);
	__atomic_fetch_sub(&bytes_in_use, b->size, __ATOMIC_RELAXED);
	free(b->base);
}

static void *
private_realloc(struct block *b, size_t size, size_t align)
{
	void *old = b + 1;
	void *new;

	if (size == 0) {
		private_free(b);
		return NULL;
	}
	if (size <= b->size && align <= b->align) {
		__atomic_fetch_sub(&bytes_in_use, b->size - size, __ATOMIC_RELAXED);
		b->size = size;
		return old;
	}
	new = private_alloc(NULL, size, RTE_MAX(align, b->align), false);
	if (new == NULL)
		return NULL;
	memcpy(new, old, RTE_MIN(size, b->size));
	private_free(b);
	return new;
}

void *
__wrap_rte_malloc(const char *type, size_t size, unsigned int align)
{
	if (private_heap_active())
		return private_alloc(type, size, align, false);
	return __real_rte_malloc(type, size, align);
}

void *
__wrap_rte_malloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	if (private_heap_active())
		return private_alloc(type, size, align, false);
	return __real_rte_malloc_socket(type, size, align, socket);
}

void *
__wrap_rte_zmalloc(const char *type, size_t size, unsigned int align)
{
	if (private_heap_active())
		return private_alloc(type, size, align, true);
	return __real_rte_zmalloc(type, size, align);
}

void *
__wrap_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	if (private_heap_active())
		return private_alloc(type, size, align, true);
	return __real_rte_zmalloc_socket(type, size, align, socket);
}

static void *
private_calloc(const char *type, size_t num, size_t size, size_t align)
{
	size_t total;

	if (__builtin_mul_overflow(num, size, &total))
		return NULL;
	return private_alloc(type, total, align, true);
}

void *
__wrap_rte_calloc(const char *type, size_t num, size_t size, unsigned int align)
{
	if (private_heap_active())
		return private_calloc(type, num, size, align);
	return __real_rte_calloc(type, num, size, align);
}

void *
__wrap_rte_calloc_socket(const char *type, size_t num, size_t size, unsigned int align, int socket)
{
	if (private_heap_active())
		return private_calloc(type, num, size, align);
	return __real_rte_calloc_socket(type, num, size, align, socket);
}

void *
__wrap_rte_realloc(void *ptr, size_t size, unsigned int align)
{
	return __wrap_rte_realloc_socket(ptr, size, align, SOCKET_ID_ANY);
}

void *
__wrap_rte_realloc_socket(void *ptr, size_t size, unsigned int align, int socket)
{
	struct block *b = block_of(ptr);

	if (b != NULL)
		return private_realloc(b, size, align);
	if (!private_heap_active())
		return __real_rte_realloc_socket(ptr, size, align, socket);
	if (ptr == NULL)
		return private_alloc(NULL, size, align, false);
	refuse();
	return NULL;
}

void
__wrap_rte_free(void *ptr)
{
	struct block *b = block_of(ptr);

	if (ptr == NULL)
		return;
	if (b != NULL)
		private_free(b);
	else if (private_heap_active())
		refuse();
	else
		__real_rte_free(ptr);
}

int
__wrap_rte_malloc_validate(const void *ptr, size_t *size)
{
	const struct block *b = block_of(ptr);

	if (b == NULL)
		return __real_rte_malloc_validate(ptr, size);
	if (size != NULL)
		*size = b->size;
	return 0;
}

/*
 * The real one reads DPDK's element header before the block. We always run
 * with --iova-mode=va, where an address for a device is the address itself.
 */
rte_iova_t
__wrap_rte_malloc_virt2iova(const void *ptr)
{
	if (block_of(ptr) != NULL)
		return rte_eal_iova_mode() == RTE_IOVA_VA ? (uintptr_t)ptr : RTE_BAD_IOVA;
	return __real_rte_malloc_virt2iova(ptr);
}
