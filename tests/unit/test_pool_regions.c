#define _GNU_SOURCE /* mincore, MAP_ANONYMOUS */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "failing.h"
#include "pool/pool_internal.h"
#include "pool_fixture.h"

enum { PAGE = 4096, MIB = 1 << 20 };

/* The status of a new pool; all that failed has been given back. */
static int
new_status(aibrix_pool_opts o)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_pool *pool = NULL;
	int err;

	o.size = sizeof(o);
	o.alloc = &a;
	err = aibrix_pool_new(&o, &pool);
	if (err)
		cr_expect_null(pool, "output untouched on failure");
	aibrix_pool_free(pool);
	cr_expect_eq(f.live, 0);
	return err;
}

/* Pages of the reserve for which there is no machine. */
static const aibrix_pool_opts huge_ask = {.slots = 1 << 20,
					  .slot_bytes = 1 << 30,
					  .region_bytes = (uint64_t)1 << 50,
					  .pages = AIBRIX_POOL_PAGES_HUGE};

Test(pool_regions, options_out_of_range_are_refused)
{
	static const aibrix_pool_opts bad[] = {
		{.slots = 1, .slot_bytes = 1, .pages = 4},
		{.slots = 1, .slot_bytes = 1, .numa = 3},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(new_status(bad[i]), AIBRIX_E_INVAL, "row %zu", i);
}

Test(pool_regions, plain_pages_are_plain)
{
	aibrix_pool *pool =
		new_pool_with((aibrix_pool_opts){.slots = 4,
						 .slot_bytes = MIB,
						 .region_bytes = 2 * MIB,
						 .pages = 3});

	for (uint32_t i = 0; i < 2; i++) {
		cr_expect_eq(region_of(pool, i).pages, AIBRIX_POOL_PAGES_PLAIN);
		cr_expect_eq(region_of(pool, i).page_bytes,
			     (uint64_t)sysconf(_SC_PAGESIZE));
		cr_expect_eq(region_of(pool, i).fd, -1);
	}
	cr_expect_eq(stats_of(pool).huge_bytes, 0);
	cr_expect_eq(stats_of(pool).thp_bytes, 0);
	aibrix_pool_free(pool);
}

Test(pool_regions, what_was_got_is_reported_by_region_and_in_all)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 4, .slot_bytes = 2 * MIB, .region_bytes = 4 * MIB});
	uint64_t bytes[4] = {0};
	aibrix_pool_stat stat = stats_of(pool);

	for (uint32_t i = 0; i < 2; i++) {
		aibrix_pool_region_info r = region_of(pool, i);

		cr_assert(r.pages >= AIBRIX_POOL_PAGES_HUGE &&
			  r.pages <= AIBRIX_POOL_PAGES_PLAIN);
		if (r.pages != AIBRIX_POOL_PAGES_PLAIN)
			cr_expect_eq((uintptr_t)r.base % (2 * MIB), 0);
		cr_expect_eq(r.bytes % r.page_bytes, 0);
		bytes[r.pages] += r.bytes;
		memset(r.base, 1, r.bytes);
	}
	cr_expect_eq(stat.huge_bytes, bytes[AIBRIX_POOL_PAGES_HUGE]);
	cr_expect_eq(stat.thp_bytes, bytes[AIBRIX_POOL_PAGES_THP]);
	cr_expect_eq(stat.mapped_bytes, bytes[1] + bytes[2] + bytes[3]);
	aibrix_pool_free(pool);
}

Test(pool_regions, a_small_region_takes_no_large_page)
{
	aibrix_pool *pool = new_pool_with(
		(aibrix_pool_opts){.slots = 4, .slot_bytes = PAGE});

	cr_expect_eq(region_of(pool, 0).pages, AIBRIX_POOL_PAGES_PLAIN);
	cr_expect_eq(stats_of(pool).mapped_bytes, 4 * PAGE);
	aibrix_pool_free(pool);
}

static void
line_keep(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	cr_expect_eq(level, AIBRIX_LOG_ERROR);
	snprintf(ctx, 200, "%u %s", code, text);
}

Test(pool_regions, a_reserve_too_small_is_an_error_that_says_why)
{
	char line[200] = "";
	const aibrix_log log = {
		.size = sizeof(log), .ctx = line, .fn = line_keep};
	aibrix_pool_opts o = huge_ask;
	int err;

	o.log = &log;
	err = new_status(o);
	cr_expect(err == AIBRIX_E_NOMEM || err == AIBRIX_E_UNSUPPORTED);
	if (aibrix_has(AIBRIX_FEATURE_LOGGING))
		cr_expect(strstr(line, "300 pool: no region") != NULL, "%s",
			  line);
}

Test(pool_regions, without_a_reserve_auto_takes_other_pages)
{
	aibrix_pool_opts o = huge_ask;
	aibrix_pool *pool;

	o.pages = AIBRIX_POOL_PAGES_AUTO;
	o.slots = 1;
	o.slot_bytes = (uint64_t)1 << 40;
	pool = new_pool_with(o);
	cr_expect_neq(region_of(pool, 0).pages, AIBRIX_POOL_PAGES_HUGE);
	aibrix_pool_free(pool);
}

Test(pool_regions, a_descriptor_is_the_same_memory)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 3,
		.slot_bytes = PAGE,
		.region_bytes = 2 * PAGE,
		.flags = AIBRIX_POOL_MEMFD,
	});
	aibrix_pool_region_info r = region_of(pool, 0);
	char *other, *mine = aibrix_pool_slot(pool, 1);

	cr_assert_geq(r.fd, 0);
	cr_expect_neq(region_of(pool, 1).fd, r.fd, "one for each region");
	other = mmap(NULL, r.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd,
		     0);
	cr_assert_neq(other, MAP_FAILED);
	strcpy(mine, "shared");
	cr_expect_str_eq(other + PAGE, "shared", "by its offset");
	munmap(other, r.bytes);
	aibrix_pool_free(pool);
	cr_expect_eq(fcntl(r.fd, F_GETFD), -1, "closed");
}

Test(pool_regions, scrubbed_slots_are_zeros_when_taken_again)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 1, .slot_bytes = 100, .flags = AIBRIX_POOL_SCRUB});
	static const char zero[100];
	aibrix_lease lease;

	cr_assert_eq(aibrix_pool_take(pool, &lease), AIBRIX_OK);
	memset(lease.data, 7, 100);
	cr_assert_eq(aibrix_pool_give(pool, &lease), AIBRIX_OK);
	cr_expect_arr_eq(aibrix_pool_slot(pool, 0), zero, 100);
	aibrix_pool_free(pool);
}

#if defined(__linux__)

Test(pool_regions, prompts_stay_out_of_core_dumps)
{
	aibrix_pool *pool = new_pool_with(
		(aibrix_pool_opts){.slots = 1, .slot_bytes = 2 * MIB});
	char flags[256];

	mapping_line(aibrix_pool_slot(pool, 0), "VmFlags:", flags,
		     sizeof(flags));
	cr_expect(strstr(flags, " dd") != NULL, "%s", flags);
	aibrix_pool_free(pool);
}

/* From here on the process's mbind is refused, as containers do. */
static int
mbind_forbid(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Test(pool_regions, a_refused_binding_is_denied_and_leaves_nothing)
{
	aibrix_pool_opts o = {.slots = 8, .slot_bytes = MIB, .numa_nodes = 1};

	if (!aibrix_has(AIBRIX_FEATURE_NUMA) || !mbind_forbid())
		cr_skip_test("no nodes or no filters here");
	cr_expect_eq(new_status(o), AIBRIX_E_DENIED);
	o.numa_nodes = 0;
	cr_expect_eq(new_status(o), AIBRIX_OK, "nobody asked to bind");
}

#endif

Test(pool_regions, pools_are_bound_to_nodes_that_there_are)
{
	aibrix_pool_opts o = {.slots = 8, .slot_bytes = MIB};
	int err;

	for (o.numa = 0; o.numa <= AIBRIX_POOL_NUMA_INTERLEAVE; o.numa++) {
		o.numa_nodes = 1;
		err = new_status(o);
		if (!aibrix_has(AIBRIX_FEATURE_NUMA))
			cr_expect_eq(err, AIBRIX_E_UNSUPPORTED);
		else if (err == AIBRIX_E_DENIED || err == AIBRIX_E_UNSUPPORTED)
			cr_skip_test("this system has no nodes or hides them");
		else
			cr_expect_eq(err, AIBRIX_OK);
		o.numa_nodes = (uint64_t)1 << 63;
		cr_expect_lt(new_status(o), 0, "mode %u", o.numa);
	}
}

/* What a device was told. */
struct device {
	struct {
		char *base;
		uint64_t bytes;
		uint32_t region;
	} piece[64];
	uint32_t n, adds;
	uint32_t fail_at; /* the add that fails; from 1 on */
	int status;
	uint32_t faults;
};

static int
device_add(void *ctx, uint32_t region, void *base, uint64_t bytes)
{
	struct device *d = ctx;

	if (++d->adds == d->fail_at)
		return d->status;
	cr_assert_lt(d->n, 64);
	d->piece[d->n].base = base;
	d->piece[d->n].bytes = bytes;
	d->piece[d->n++].region = region;
	return AIBRIX_OK;
}

/* Only what was added last. */
static void
device_remove(void *ctx, uint32_t region, void *base, uint64_t bytes)
{
	struct device *d = ctx;

	if (d->n == 0) {
		d->faults++;
		return;
	}
	d->n--;
	d->faults += d->piece[d->n].base != base ||
		     d->piece[d->n].bytes != bytes ||
		     d->piece[d->n].region != region;
}

static aibrix_pool_hooks
hooks_for(struct device *d, uint64_t piece_bytes)
{
	return (aibrix_pool_hooks){.size = sizeof(aibrix_pool_hooks),
				   .piece_bytes = piece_bytes,
				   .ctx = d,
				   .add = device_add,
				   .remove = device_remove};
}

/* Three regions of 4, 4 and 2 slots of three pages. */
static aibrix_pool *
new_pool(void)
{
	return new_pool_with((aibrix_pool_opts){.slots = 10,
						.slot_bytes = 3 * PAGE,
						.region_bytes = 12 * PAGE});
}

Test(pool_regions, pieces_end_on_the_borders_of_slots)
{
	static const uint64_t pages[] = {6, 6, 6, 6, 6};
	static const uint32_t regions[] = {0, 0, 1, 1, 2};
	struct device d = {0};
	aibrix_pool_hooks hooks = hooks_for(&d, 8 * PAGE);
	aibrix_pool *pool = new_pool();
	uint32_t id = 7;

	cr_assert_eq(aibrix_pool_attach(pool, &hooks, &id), AIBRIX_OK);
	cr_assert_eq(d.n, 5);
	for (uint32_t i = 0; i < 5; i++) {
		cr_expect_eq(d.piece[i].bytes, pages[i] * PAGE);
		cr_expect_eq(d.piece[i].region, regions[i]);
		cr_expect_eq(d.piece[i].base, aibrix_pool_slot(pool, 2 * i));
	}
	cr_expect_eq(aibrix_pool_detach(pool, id), AIBRIX_OK);
	cr_expect_eq(d.n + d.faults, 0);
	cr_expect_eq(aibrix_pool_detach(pool, id), AIBRIX_E_NOT_FOUND);
	aibrix_pool_free(pool);
}

/* Slots of 1.5 pages: every second border is one of pages as well. */
Test(pool_regions, pieces_end_on_the_borders_of_pages_where_they_can)
{
	struct device d = {0};
	aibrix_pool_hooks hooks = hooks_for(&d, 11 * PAGE / 2);
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 6, .slot_bytes = 3 * PAGE / 2, .align = PAGE / 2});
	uint32_t id;

	cr_assert_eq(aibrix_pool_attach(pool, &hooks, &id), AIBRIX_OK);
	cr_assert_eq(d.n, 3);
	cr_expect_eq(d.piece[0].bytes, 3 * PAGE);
	aibrix_pool_free(pool);
	cr_expect_eq(d.n + d.faults, 0, "freeing detaches");
}

Test(pool_regions, a_refused_piece_undoes_those_before_it)
{
	for (uint32_t i = 1; i <= 5; i++) {
		struct device d = {.fail_at = i, .status = AIBRIX_E_DENIED};
		aibrix_pool_hooks hooks = hooks_for(&d, 8 * PAGE);
		aibrix_pool *pool = new_pool();
		uint32_t id = 7;

		cr_expect_eq(aibrix_pool_attach(pool, &hooks, &id),
			     AIBRIX_E_DENIED);
		cr_expect_eq(id, 7, "output untouched on failure");
		cr_expect_eq(d.adds, i);
		cr_expect_eq(d.n + d.faults, 0);
		cr_expect_eq(aibrix_pool_attach(pool, &hooks, &id), AIBRIX_OK,
			     "and may be tried again");
		aibrix_pool_free(pool);
		cr_expect_eq(d.n + d.faults, 0);
	}
}

Test(pool_regions, what_is_no_status_is_a_fault_of_the_device)
{
	struct device d = {.fail_at = 2, .status = 12};
	aibrix_pool_hooks hooks = hooks_for(&d, 0);
	aibrix_pool *pool = new_pool();
	uint32_t id;

	cr_expect_eq(aibrix_pool_attach(pool, &hooks, &id), AIBRIX_E_DEVICE);
	aibrix_pool_free(pool);
}

Test(pool_regions, hooks_that_make_no_sense_are_refused)
{
	struct device d = {0};
	aibrix_pool_hooks h = hooks_for(&d, 0);
	aibrix_pool *pool = new_pool();
	uint32_t id;

	cr_expect_eq(aibrix_pool_attach(NULL, &h, &id), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_attach(pool, NULL, &id), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_attach(pool, &h, NULL), AIBRIX_E_INVAL);
	h.piece_bytes = 3 * PAGE - 1;
	cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_INVAL,
		     "a slot would be cut");
	h.piece_bytes = ((uint64_t)64 << 30) + 1;
	cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_INVAL);
	h = hooks_for(&d, 0);
	h.add = NULL;
	cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_INVAL);
	h = hooks_for(&d, 0);
	h.remove = NULL;
	cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_INVAL);
	h = hooks_for(&d, 0);
	h.flags = 1;
	cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_ABI);
	cr_expect_eq(d.adds, 0);
	cr_expect_eq(aibrix_pool_detach(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_detach(pool, 8), AIBRIX_E_NOT_FOUND);
	aibrix_pool_free(pool);
}

Test(pool_regions, eight_devices_can_be_attached)
{
	struct device d[9] = {0};
	aibrix_pool *pool = new_pool();
	uint32_t id;

	for (uint32_t i = 0; i < 8; i++) {
		aibrix_pool_hooks h = hooks_for(&d[i], 0);

		cr_assert_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_OK);
		cr_expect_eq(id, i);
	}
	{
		aibrix_pool_hooks h = hooks_for(&d[8], 0);

		cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_FULL);
		cr_expect_eq(aibrix_pool_detach(pool, 3), AIBRIX_OK);
		cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_OK);
		cr_expect_eq(id, 3);
	}
	aibrix_pool_free(pool);
	for (uint32_t i = 0; i < 9; i++)
		cr_expect_eq(d[i].n + d[i].faults, 0, "device %u", i);
}

#if defined(__linux__)

/* A registration that locks memory, as drivers do.  By the system call:
 * sanitizers make mlock do nothing. */
static int
lock_add(void *ctx, uint32_t region, void *base, uint64_t bytes)
{
	(void)region;
	if (syscall(SYS_mlock, base, bytes) != 0)
		return AIBRIX_E_NOMEM;
	++*(uint32_t *)ctx;
	return AIBRIX_OK;
}

static void
lock_remove(void *ctx, uint32_t region, void *base, uint64_t bytes)
{
	(void)region;
	--*(uint32_t *)ctx;
	cr_expect_eq(syscall(SYS_munlock, base, bytes), 0);
}

Test(pool_regions, a_limit_of_locked_memory_is_an_error_and_nothing_stays)
{
	const struct rlimit limit = {4 * MIB, 4 * MIB};
	uint32_t locked = 0, id;
	aibrix_pool_hooks h = {.size = sizeof(h),
			       .piece_bytes = MIB,
			       .ctx = &locked,
			       .add = lock_add,
			       .remove = lock_remove};
	aibrix_pool *pool = new_pool_with(
		(aibrix_pool_opts){.slots = 8, .slot_bytes = MIB, .pages = 3});

	/* Nobody: root may lock what it likes. */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    (geteuid() == 0 && setuid(65534) != 0))
		cr_skip_test("limits cannot be set here");
	cr_expect_eq(aibrix_pool_attach(pool, &h, &id), AIBRIX_E_NOMEM);
	cr_expect_eq(locked, 0);
	aibrix_pool_free(pool);
}

#endif

static aibrix_pool_progress
touch(aibrix_pool *pool, uint64_t bytes, int expected)
{
	aibrix_pool_progress p = {.size = sizeof(p)};

	cr_expect_eq(aibrix_pool_touch(pool, bytes, &p), expected);
	return p;
}

Test(pool_regions, touching_goes_on_from_call_to_call)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 5, .slot_bytes = 2 * MIB, .region_bytes = 4 * MIB});
	char *data = aibrix_pool_slot(pool, 0);
	aibrix_pool_progress p;

	strcpy(data, "in use");
	p = touch(pool, 3 * MIB, AIBRIX_OK);
	cr_expect_eq(p.total_bytes, 10 * MIB);
	cr_expect_eq(p.begun_bytes, 4 * MIB, "whole large pages");
	cr_expect_eq(p.touched_bytes, 4 * MIB);
	p = touch(pool, AIBRIX_FOREVER, AIBRIX_OK);
	cr_expect_eq(p.begun_bytes, 10 * MIB);
	cr_expect_eq(p.touched_bytes, 10 * MIB);
	cr_expect_eq(p.failed_bytes, 0);
	p = touch(pool, 1, AIBRIX_E_NOT_FOUND);
	cr_expect_eq(p.touched_bytes, 10 * MIB);
	cr_expect_str_eq(data, "in use");
	cr_expect_eq(stats_of(pool).touched_bytes, 10 * MIB);
	aibrix_pool_free(pool);
}

Test(pool_regions, what_was_touched_has_pages)
{
	aibrix_pool *pool = new_pool_with((aibrix_pool_opts){
		.slots = 5, .slot_bytes = PAGE, .region_bytes = 2 * PAGE});
	unsigned char there;

	cr_assert_eq(mincore(aibrix_pool_slot(pool, 4), 1, &there), 0);
	cr_expect_eq(there & 1, 0);
	cr_expect_eq(aibrix_pool_touch(pool, 1, NULL), AIBRIX_OK);
	for (uint32_t i = 0; i < 5; i++) {
		cr_assert_eq(mincore(aibrix_pool_slot(pool, i), 1, &there), 0);
		cr_expect_eq(there & 1, 1, "slot %u", i);
	}
	aibrix_pool_free(pool);
}

Test(pool_regions, pages_that_there_are_not_are_counted)
{
	aibrix_pool *pool = new_pool_with(
		(aibrix_pool_opts){.slots = 4,
				   .slot_bytes = MIB,
				   .region_bytes = 2 * MIB,
				   .pages = AIBRIX_POOL_PAGES_PLAIN,
				   .flags = AIBRIX_POOL_MEMFD});
	aibrix_pool_progress p;

	/* A system that has run out of memory. */
	cr_assert_eq(ftruncate(region_of(pool, 0).fd, 0), 0);
	p = touch(pool, 2 * MIB, AIBRIX_E_NOMEM);
	cr_expect_eq(p.failed_bytes, 2 * MIB);
	p = touch(pool, 2 * MIB, AIBRIX_OK);
	cr_expect_eq(p.begun_bytes, 4 * MIB);
	cr_expect_eq(p.touched_bytes, 2 * MIB);
	cr_expect_eq(p.failed_bytes, 2 * MIB);
	aibrix_pool_free(pool);
}

Test(pool_regions, touching_nothing_is_invalid)
{
	aibrix_pool *pool = new_pool();
	aibrix_pool_progress p = {.size = 0, .total_bytes = 7};

	cr_expect_eq(aibrix_pool_touch(NULL, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_touch(pool, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pool_touch(pool, 1, &p), AIBRIX_E_INVAL);
	cr_expect_eq(p.total_bytes, 7, "output untouched on failure");
	cr_expect_eq(stats_of(pool).touched_bytes, 0);
	aibrix_pool_free(pool);
}
