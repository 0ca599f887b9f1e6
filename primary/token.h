/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attach token, and the snapshot that undoes what its holder did to EAL's shared memory.
 *
 * One token is out at a time: with a process that joins EAL (rte_eal_init), or with one that
 * attaches or detaches a device. Before it goes out, the memory that holds every shared lock of EAL
 * is copied; if the holder dies, the copy is put back. That is exact because nobody else writes
 * there meanwhile: processes that are ready make no EAL call that takes a shared lock, and the
 * primary itself asserts in token_eal_begin() that no token is out. Main thread only,
 * but for token_timer_begin().
 *
 * What a secondary of DPDK 22.11 writes to while it attaches (read in the source, all of it inside
 * the areas but the last three points):
 *
 *  - struct rte_mem_config, the file 'config' of the runtime directory, mapped at one address by
 *    all: mlock (memzone lookups, write-locked by rte_eal_memzone_init), qlock (tail queues),
 *    mplock, tlock, memory_hotplug_lock (read-locked from rte_eal_memory_init until
 *    rte_eal_malloc_heap_init), the rwlocks inside struct rte_fbarray of memzones and of each
 *    memseg list (the arrays themselves are only read), mp_status, magic (both stores of the value
 *    that is there). malloc_heaps[].lock stands there too, but no secondary takes it: all of
 *    rte_malloc is private to it (common/private_heap.h), and nothing in attach reserves a memzone.
 *  - memzone "rte_eth_dev_data": ownership_lock, taken by rte_eth_dev_attach_secondary() and by the
 *    release of a port; a secondary writes none of the ports' data there.
 *  - its own files fbarray_*_PID and mp_socket_PID_* in the runtime directory: unlinked on death.
 *  - flock() on files and on the runtime directory: the kernel drops it.
 *  - a driver's own shared memory, if it writes there in a secondary's probe. Ours (null, ring,
 *    memif, virtio) do not; hardware drivers are to be judged one by one.
 */
#ifndef PRIMARY_TOKEN_H
#define PRIMARY_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNAPSHOT_AREAS_MAX = 4 };

struct snapshot {
	unsigned int n;
	struct {
		void *addr;
		size_t len;
		void *copy;
	} areas[SNAPSHOT_AREAS_MAX];
};

/* 'addr' and 'len' stay valid as long as the snapshot. -ENOSPC, -ENOMEM. */
int snapshot_add(struct snapshot *s, void *addr, size_t len);
void snapshot_take(struct snapshot *s);
void snapshot_restore(const struct snapshot *s);
void snapshot_fini(struct snapshot *s);

/*
 * Finds the shared mapping of 'path' in the calling process. 'maps' is the text of
 * /proc/self/maps. Consecutive pieces are joined. -ENOENT when it is not mapped.
 */
int snapshot_find_mapping(const char *maps, const char *path, void **addr, size_t *len);

enum { TOKEN_NOBODY = -1 };

struct token {
	struct snapshot snapshot;
	int holder;        /* a peer's number, TOKEN_NOBODY */
	uint64_t since_ms; /* when it went out */
	bool ethdev;       /* the second area is there */
	bool inside;       /* between token_eal_begin() and token_eal_end() */
};

/* After rte_eal_init, by the primary. NULL with a fault when EAL's configuration is not found. */
struct fault;
struct token *token_create(const char *runtime_dir, struct fault *f);
void token_destroy(struct token *t);

/*
 * Takes the snapshot. The token must be here. Between begin() and end() only where the primary
 * holds no shared lock, that is from inside of DPDK's hot-plug (hotplug.c).
 */
void token_give(struct token *t, int holder);
/* The holder is done, in good health. */
void token_return(struct token *t);
/* The holder died, and all its threads with it: puts the snapshot back. */
void token_recover(struct token *t);

/*
 * Brackets every EAL call of the main thread that may take a shared lock; asserts that the token is
 * here.
 */
void token_eal_begin(struct token *t);
void token_eal_end(struct token *t);
/* The same for the timer thread: false if a token is out, or the main thread is inside. */
bool token_timer_begin(struct token *t);
void token_timer_end(struct token *t);

#endif
