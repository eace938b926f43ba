/*
 * Hosts that are names, and who asks the resolver for them.
 *
 *   node --> slot --> thread of the host: getaddrinfo --> slot --> node
 *            8 of them                                     |    in a later call
 *                                              eventfd in the store's set
 *
 * The resolver waits for servers of its own, for many seconds when they are
 * gone.  So a thread of the host calls it, where the host lends any; else it
 * is called inside poll, never in open and submit.  A name is looked up again
 * when none of its addresses could be connected to, which is also when a
 * server has moved.
 *
 * Memory.  What a thread reads and writes lies in its slot, and the slots are
 * the store's.  Close waits for every call that the host was given, and one
 * that has not begun by then asks nobody: when the store is gone, no thread
 * knows of it.  A node may go meanwhile and its place be another's: a lookup
 * has a number, and who does not wait for that number is not told.
 *
 * Time.  A lookup that takes longer than a connection may take counts as a
 * connection that was not made: requests do not wait for it, but what it
 * brings in the end is used.
 */
#define _GNU_SOURCE

#include "store/store_resp.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

/* As many calls as the host was promised at most. */
enum { SLOTS = 8 };

enum {
	SLOT_FREE = 0,
	SLOT_RUNS = 1, /* all but its state is the thread's */
	SLOT_DONE = 2
};

struct slot {
	struct resp_lookups *all;
	struct resp_host host;
	struct net_addr addrs[RESP_NODE_ADDRS];
	uint32_t n_addrs;
	uint32_t state; /* under the lock while it runs */
	uint32_t place; /* of the node */
	uint64_t number;
};

struct resp_lookups {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint32_t running, closing; /* under the lock */
	uint32_t taken;            /* slots that run or are done */
	uint64_t number;           /* of the last one */
	int event;                 /* readable when one is done */
	struct slot slots[SLOTS];
};

int
aibrix__resp_lookup_open(struct resp_store *store)
{
	struct epoll_event event = {.events = EPOLLIN,
				    .data.u64 = RESP_EVENT_LOOKUP};
	struct resp_lookups *all;

	if (!store->conf->run)
		return AIBRIX_OK;
	all = aibrix__alloc(store->conf->alloc, 1, sizeof(*all));
	if (!all)
		return AIBRIX_E_NOMEM;
	if (pthread_mutex_init(&all->lock, NULL)) {
		aibrix__free(store->conf->alloc, all, 1, sizeof(*all));
		return AIBRIX_E_NOMEM;
	}
	if (pthread_cond_init(&all->ended, NULL)) {
		pthread_mutex_destroy(&all->lock);
		aibrix__free(store->conf->alloc, all, 1, sizeof(*all));
		return AIBRIX_E_NOMEM;
	}
	store->lookups = all;
	all->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (all->event < 0 ||
	    epoll_ctl(store->epoll, EPOLL_CTL_ADD, all->event, &event))
		return AIBRIX_E_IO;
	return AIBRIX_OK;
}

/* In a child after fork there are no such threads, and perhaps their lock. */
static void
threads_end(struct resp_lookups *all)
{
	pthread_mutex_lock(&all->lock);
	all->closing = 1;
	while (all->running)
		pthread_cond_wait(&all->ended, &all->lock);
	pthread_mutex_unlock(&all->lock);
	pthread_cond_destroy(&all->ended);
	pthread_mutex_destroy(&all->lock);
}

void
aibrix__resp_lookup_close(struct resp_store *store, int parent)
{
	struct resp_lookups *all = store->lookups;

	if (!all)
		return;
	if (parent)
		threads_end(all);
	if (all->event >= 0)
		close(all->event);
	aibrix__free(store->conf->alloc, all, 1, sizeof(*all));
}

/* ---- threads of the host */

static void
slot_work(void *arg)
{
	struct slot *slot = arg;
	struct resp_lookups *all = slot->all;
	const uint64_t one = 1;
	int closing;

	pthread_mutex_lock(&all->lock);
	closing = (int)all->closing;
	pthread_mutex_unlock(&all->lock);
	slot->n_addrs =
		closing ? 0
			: aibrix__net_lookup(slot->host.name, slot->host.port,
					     slot->addrs, RESP_NODE_ADDRS);
	pthread_mutex_lock(&all->lock);
	slot->state = SLOT_DONE;
	all->running--;
	/* Cannot fail: it counts to SLOTS. */
	if (write(all->event, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	pthread_cond_signal(&all->ended);
	/* The last use: close goes on as soon as it has the lock. */
	pthread_mutex_unlock(&all->lock);
}

/* A slot that is from now on a thread's, or NULL. */
static struct slot *
slot_take(struct resp_lookups *all)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&all->lock);
	for (uint32_t i = 0; !slot && i < SLOTS; i++)
		if (all->slots[i].state == SLOT_FREE)
			slot = &all->slots[i];
	if (slot) {
		slot->state = SLOT_RUNS;
		all->running++;
	}
	pthread_mutex_unlock(&all->lock);
	return slot;
}

/* E_UNAVAILABLE: the host lends no thread.  E_FULL: all slots are taken. */
static int
slot_start(struct resp_store *store, struct resp_node *node)
{
	const aibrix_backend_conf *conf = store->conf;
	struct resp_lookups *all = store->lookups;
	struct slot *slot;

	if (!all)
		return AIBRIX_E_UNAVAILABLE;
	slot = slot_take(all);
	if (!slot)
		return AIBRIX_E_FULL;
	slot->all = all;
	slot->host = node->host;
	slot->place = (uint32_t)(node - store->nodes);
	slot->number = ++all->number;
	/* Without the lock: the host may do the work in the call. */
	if (conf->run(conf->run_ctx, slot_work, slot)) {
		pthread_mutex_lock(&all->lock);
		slot->state = SLOT_FREE;
		all->running--;
		pthread_mutex_unlock(&all->lock);
		return AIBRIX_E_UNAVAILABLE;
	}
	all->taken++;
	node->lookup = all->number;
	return AIBRIX_OK;
}

/* ---- nodes */

static void
node_learn(struct resp_node *node, const struct net_addr *addrs, uint32_t n)
{
	memcpy(node->addrs, addrs, n * sizeof(*addrs));
	node->n_addrs = n;
	node->addr = 0;
	node->lookup = 0;
	node->lookup_until_ns = 0;
}

static void
node_ask(struct resp_node *node)
{
	struct net_addr addrs[RESP_NODE_ADDRS];
	uint32_t n;

	n = aibrix__net_lookup(node->host.name, node->host.port, addrs,
			       RESP_NODE_ADDRS);
	node_learn(node, addrs, n);
}

int
aibrix__resp_lookup_begin(struct resp_store *store, struct resp_node *node)
{
	struct net_addr addr;

	if (!aibrix__net_numeric(node->host.name, node->host.port, &addr)) {
		node_learn(node, &addr, 1);
		return AIBRIX_OK;
	}
	if (!store->conf->run)
		store->conf->stat->caps |= AIBRIX_CAP_BLOCKING;
	return node->lookup ? AIBRIX_OK : slot_start(store, node);
}

int
aibrix__resp_lookup(struct resp_store *store, struct resp_node *node)
{
	int err = aibrix__resp_lookup_begin(store, node);

	if (node->addr < node->n_addrs)
		return AIBRIX_OK;
	if (err == AIBRIX_E_UNAVAILABLE && store->polling) {
		node_ask(node);
		return AIBRIX_OK;
	}
	if (err == AIBRIX_E_UNAVAILABLE) {
		/* poll does it, at once. */
		resp_wake_by(store, store->now);
		return AIBRIX_E_AGAIN;
	}
	if (node->lookup_until_ns == 0)
		node->lookup_until_ns =
			store->now + store->config.connect_timeout_ns;
	if (store->now >= node->lookup_until_ns)
		return AIBRIX_E_TIMEOUT;
	resp_wake_by(store, node->lookup_until_ns);
	return AIBRIX_E_AGAIN;
}

/* Nobody else touches what is done. */
static void
slot_give(struct resp_store *store, struct slot *slot)
{
	struct resp_node *node = &store->nodes[slot->place];

	store->lookups->taken--;
	slot->state = SLOT_FREE;
	if (node->lookup != slot->number)
		return;
	node_learn(node, slot->addrs, slot->n_addrs);
	if (slot->n_addrs == 0)
		aibrix__resp_node_unreachable(store, node, AIBRIX_E_UNAVAILABLE,
					      0);
}

void
aibrix__resp_lookup_run(struct resp_store *store)
{
	struct resp_lookups *all = store->lookups;
	uint32_t done[SLOTS], n = 0;

	if (!all || !all->taken)
		return;
	pthread_mutex_lock(&all->lock);
	for (uint32_t i = 0; i < SLOTS; i++)
		if (all->slots[i].state == SLOT_DONE)
			done[n++] = i;
	pthread_mutex_unlock(&all->lock);
	for (uint32_t i = 0; i < n; i++)
		slot_give(store, &all->slots[done[i]]);
}

void
aibrix__resp_lookup_event(struct resp_store *store)
{
	uint64_t count;

	/* Before a look at the slots, so none is overlooked. */
	if (read(store->lookups->event, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
}
