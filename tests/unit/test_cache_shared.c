/*
 * Two processes with caches over one L2, as two engines have them: of
 * different models, with the same tokens.
 *
 * Each writes its chains while the other one does, then reads them and asks
 * for more than it wrote, through a cache that has nothing in memory.  What
 * it is handed must be its own.
 */
#define _GNU_SOURCE

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <signal.h>

#include "cache_models.h"
#include "redis_tools.h"
#include "store_tools.h"

enum { BYTES = 4096, CHAINS = 8, LENGTH = 8, READ = 12, ROUNDS = 3 };

/* A process of the two. */
struct side {
	uint64_t number;
	const char *model, *layout;
	aibrix_store_opts opts;
	int read_fd, write_fd;
	aibrix_store *store;
};

/* What a side that fails says to its parent. */
enum { FINE = 0, WRONG_BYTES = 1, TOO_FEW = 2, CALL_FAILED = 3, LONELY = 4 };

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
must(int ok, int status)
{
	if (!ok)
		_exit(status);
}

/* Both are here. */
static void
meet(const struct side *s)
{
	char c = 'x';

	must(write(s->write_fd, &c, 1) == 1 && read(s->read_fd, &c, 1) == 1,
	     LONELY);
}

static aibrix_cache *
side_cache(const struct side *s)
{
	const aibrix_cache_opts opts = {.size = sizeof(opts),
					.block_bytes = BYTES,
					.l1_bytes = 64 * BYTES,
					.layout = s->layout,
					.l2 = s->store};
	aibrix_cache *cache = NULL;

	must(!aibrix_cache_new(&opts, &cache), CALL_FAILED);
	return cache;
}

static void
side_drain(aibrix_cache *cache)
{
	uint64_t busy = 1;

	while (busy)
		must(!aibrix_cache_poll(cache, now_ns(), 100000000, &busy),
		     CALL_FAILED);
}

static uint64_t
block_of(uint32_t chain, uint64_t i)
{
	return chain * (uint64_t)READ + i;
}

static void
side_write(const struct side *s, aibrix_cache *cache, uint32_t chain)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	aibrix_key keys[LENGTH];
	uint64_t lease, n;

	model_keys(s->model, chain, LENGTH, keys);
	must(!aibrix_cache_reserve(cache, keys, NULL, LENGTH, now_ns(), &lease,
				   &n) &&
		     n == LENGTH,
	     CALL_FAILED);
	for (uint64_t i = 0; i < n; i++) {
		must(!aibrix_cache_block(cache, lease, i, &view), CALL_FAILED);
		if (view.data)
			model_fill(view.data, BYTES, s->number,
				   block_of(chain, i), 1);
	}
	must(!aibrix_cache_commit(cache, lease, now_ns()), CALL_FAILED);
	side_drain(cache);
}

/* How many blocks of the chain came, all of them this side's. */
static uint64_t
side_read(const struct side *s, aibrix_cache *cache, uint32_t chain)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	aibrix_key keys[READ];
	uint64_t lease, n = 0, busy;
	int err;

	model_keys(s->model, chain, READ, keys);
	err = aibrix_cache_acquire(cache, keys, READ,
				   now_ns() + STORE_TOOLS_WAIT, now_ns(),
				   &lease, &n);
	while (err == AIBRIX_E_AGAIN) {
		must(!aibrix_cache_poll(cache, now_ns(), 100000000, &busy),
		     CALL_FAILED);
		err = aibrix_cache_state(cache, lease, &n);
	}
	must(!err, CALL_FAILED);
	for (uint64_t i = 0; i < n; i++) {
		must(!aibrix_cache_block(cache, lease, i, &view), CALL_FAILED);
		must(model_version(view.data, BYTES, s->number,
				   block_of(chain, i)) == 1,
		     WRONG_BYTES);
	}
	must(!aibrix_cache_release(cache, lease), CALL_FAILED);
	return n;
}

/* least: blocks of each chain that come back at least. */
_Noreturn static void
side_run(struct side *s, uint64_t least)
{
	aibrix_cache *cache;

	signal(SIGPIPE, SIG_IGN);
	must(!aibrix_store_open(&s->opts, &s->store), CALL_FAILED);
	meet(s);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		cache = side_cache(s);
		for (uint32_t c = 0; c < CHAINS; c++)
			side_write(s, cache, round * CHAINS + c);
		aibrix_cache_free(cache);
		meet(s);
		cache = side_cache(s);
		for (uint32_t c = 0; c < CHAINS; c++)
			must(side_read(s, cache, round * CHAINS + c) >= least,
			     TOO_FEW);
		aibrix_cache_free(cache);
		meet(s);
	}
	aibrix_store_free(s->store);
	_exit(FINE);
}

static pid_t
side_start(struct side *s, int other_fd, uint64_t least)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Or the end of the other one would not be seen. */
	close(other_fd);
	side_run(s, least);
}

/* Two that share opts' store. */
static void
two_sides(const aibrix_store_opts *opts, const char *other_model,
	  const char *other_layout, const uint64_t least[2])
{
	struct side sides[2] = {
		{.number = 1, .model = "a", .layout = "a", .opts = *opts},
		{.number = 2,
		 .model = other_model,
		 .layout = other_layout,
		 .opts = *opts}};
	int to[2][2], status;
	pid_t pids[2];

	cr_assert(pipe(to[0]) == 0 && pipe(to[1]) == 0);
	for (int i = 0; i < 2; i++) {
		sides[i].read_fd = to[i][0];
		sides[i].write_fd = to[1 - i][1];
		pids[i] = side_start(&sides[i], to[i][1], least[i]);
	}
	for (int i = 0; i < 2; i++) {
		close(to[i][0]);
		close(to[i][1]);
	}
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
		cr_expect(WIFEXITED(status));
		cr_expect_eq(WEXITSTATUS(status), FINE, "process %d", i);
	}
}

static const uint64_t all_of_them[2] = {LENGTH, LENGTH};
/* With one name for two values, the first one stays. */
static const uint64_t none_of_them[2] = {0, 0};

static void
in_directory(const char *other_model, const char *other_layout,
	     const uint64_t least[2])
{
	struct temp_path path = temp_path_new();
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_SHFS,
					.path = path.text,
					.capacity_bytes = 64 << 20,
					.value_bytes = BYTES +
						       AIBRIX_CACHE_FRAME_BYTES,
					.timeout_ns = STORE_TOOLS_WAIT};

	two_sides(&opts, other_model, other_layout, least);
	temp_path_remove(path.text);
}

Test(cache_shared, two_models_in_one_directory_never_see_each_other)
{
	in_directory("b", "a", all_of_them);
}

Test(cache_shared, one_model_in_two_layouts_never_sees_the_other_one)
{
	in_directory("a", "b", none_of_them);
}

static void
in_redis(const char *other_model, const char *other_layout,
	 const uint64_t least[2])
{
	struct redis_server server;
	char url[64];
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_RESP,
					.path = url,
					.value_bytes = BYTES +
						       AIBRIX_CACHE_FRAME_BYTES,
					.timeout_ns = STORE_TOOLS_WAIT};

	switch (redis_start(&server, NULL)) {
	case 0: break;
	case REDIS_ABSENT: cr_skip_test("%s", server.reason);
	default: cr_assert_fail("%s", server.reason);
	}
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server.port);
	two_sides(&opts, other_model, other_layout, least);
	redis_stop(&server);
}

Test(cache_shared, two_models_in_one_server_never_see_each_other)
{
	in_redis("b", "a", all_of_them);
}

Test(cache_shared, two_layouts_in_one_server_never_see_each_other)
{
	in_redis("a", "b", none_of_them);
}
