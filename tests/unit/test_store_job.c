/* Jobs on a disk in memory that answers as it is told to. */

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/store_job.h"

enum { VALUE = 5000, SLOTS = 3, STRIDE = 12288, DISK = 4096 + SLOTS * STRIDE };

struct disk {
	_Alignas(4096) uint8_t bytes[DISK];
	_Alignas(4096) uint8_t edge[STEP_EDGE];
	_Alignas(4096) uint8_t bounce[STEP_PIECE];
	uint32_t calls;
	uint32_t fail_at; /* this call, counted from 1, answers answer */
	int64_t answer;
	uint32_t chop;    /* at most so many bytes a call; 0: all */
	uint32_t stop_at; /* before this call the job is stopped */
};

static struct disk disk;

struct fixture {
	aibrix_allocator alloc;
	aibrix_log log;
	aibrix_backend_stat stat;
	aibrix_backend_conf conf;
	struct slot_file slots;
	struct jobs jobs;
};

static void
fixture_open(struct fixture *f, uint32_t align, uint32_t flags)
{
	*f = (struct fixture){0};
	memset(&disk, 0, sizeof(disk));
	cr_assert_eq(aibrix__log_load(&f->log, NULL), 0);
	cr_assert_eq(aibrix__allocator_load(&f->alloc, NULL), 0);
	f->conf = (aibrix_backend_conf){.value_bytes = VALUE,
					.capacity_bytes = SLOTS * VALUE,
					.flags = flags,
					.path = "disk",
					.log = &f->log,
					.alloc = &f->alloc,
					.stat = &f->stat};
	cr_assert_eq(aibrix__slots_size(&f->conf, &f->slots), 0);
	cr_assert_eq(f->slots.stride, STRIDE);
	f->jobs.conf = &f->conf;
	f->jobs.slots = &f->slots;
	f->jobs.xxh = aibrix__xxh_select(0);
	f->jobs.rules = (struct step_rules){align, align};
	f->jobs.puts_max = aibrix__puts_max(VALUE);
	cr_assert_eq(
		aibrix__directory_open(&f->jobs.directory, &f->alloc, SLOTS),
		0);
	aibrix__directory_settle(&f->jobs.directory);
}

static void
fixture_close(struct fixture *f)
{
	cr_expect_eq(f->jobs.running, 0);
	aibrix__directory_close(&f->jobs.directory);
}

/* One call: what the disk does with a step. */
static int64_t
disk_call(const struct step *step)
{
	int64_t sum = 0;

	if (++disk.calls == disk.fail_at)
		return disk.answer;
	for (uint32_t i = step->first; i < step->n_iov; i++) {
		uint8_t *at = disk.bytes + step->at + sum;
		uint64_t n = step->iov[i].iov_len;

		cr_assert_leq(step->at + sum + n, DISK);
		if (disk.chop && n > disk.chop - (uint64_t)sum)
			n = disk.chop - (uint64_t)sum;
		if (step->kind == STEP_READ)
			memcpy(step->iov[i].iov_base, at, n);
		else
			memcpy(at, step->iov[i].iov_base, n);
		sum += (int64_t)n;
	}
	return sum;
}

static aibrix_done
job_do(struct fixture *f, uint32_t op, const char *key, void *base, size_t n)
{
	aibrix_iov iov = {base, n};
	aibrix_io io = {.key = key,
			.key_bytes = (uint32_t)strlen(key),
			.op = op,
			.iov = &iov,
			.n_iov = 1};
	struct step step = {.edge = disk.edge};
	aibrix_done done = {0};
	struct job job;
	int what = aibrix__job_begin(&f->jobs, &job, &io, &done);

	cr_assert_neq(what, JOB_WAITS);
	while (what == JOB_RUNS) {
		step.bounce = aibrix__job_bounces(&job) ? disk.bounce : NULL;
		aibrix__job_step(&f->jobs, &job, &step);
		do {
			if (disk.calls + 1 == disk.stop_at)
				aibrix__job_stop(&job, AIBRIX_E_CANCELED);
		} while (aibrix__job_result(&f->jobs, &job, &step,
					    disk_call(&step)));
		if (!aibrix__job_wants(&job))
			what = aibrix__job_settle(&f->jobs, &job, &done);
	}
	return done;
}

static uint8_t value[VALUE], got[VALUE];

static void
value_fill(void)
{
	for (uint32_t i = 0; i < VALUE; i++)
		value[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(got, 0, sizeof(got));
}

Test(store_job, values_pass_whole_in_any_alignment_and_in_short_transfers)
{
	static const uint32_t aligns[] = {1, 512, 4096};
	static const uint32_t chops[] = {0, 4096, 8192};
	struct fixture f;

	for (uint32_t i = 0; i < 9; i++) {
		fixture_open(&f, aligns[i % 3], 0);
		disk.chop = chops[i / 3];
		for (uint32_t n = VALUE - 3; n <= VALUE; n++) {
			value_fill();
			cr_assert_eq(job_do(&f, AIBRIX_STORE_PUT, "k", value, n)
					     .status,
				     AIBRIX_OK);
			cr_assert_eq(job_do(&f, AIBRIX_STORE_GET, "k", got, n)
					     .status,
				     AIBRIX_OK);
			cr_assert_eq(memcmp(value, got, n), 0);
			cr_assert_eq(
				job_do(&f, AIBRIX_STORE_DELETE, "k", NULL, 0)
					.status,
				AIBRIX_OK);
		}
		fixture_close(&f);
	}
}

/* Each call of a PUT fails in turn: no value is there, and the slot is of
 * use again unless the device cannot write it. */
static void
put_fails(int os_error, int32_t status, uint64_t bad, uint32_t flags)
{
	struct fixture f;
	uint32_t at;

	for (at = 1; at < 10; at++) {
		aibrix_done done;

		fixture_open(&f, 512, flags);
		value_fill();
		disk.fail_at = at;
		disk.answer = -os_error;
		done = job_do(&f, AIBRIX_STORE_PUT, "k", value, VALUE);
		if (disk.calls < at) {
			cr_assert_eq(done.status, AIBRIX_OK);
			fixture_close(&f);
			break;
		}
		cr_expect_eq(done.status, status, "call %u", at);
		cr_expect_eq(
			job_do(&f, AIBRIX_STORE_GET, "k", got, VALUE).status,
			AIBRIX_E_NOT_FOUND);
		cr_expect_eq(f.jobs.directory.bad, bad);
		cr_expect_eq(f.stat.dropped, bad);
		cr_expect_eq(
			job_do(&f, AIBRIX_STORE_PUT, "k", value, VALUE).status,
			AIBRIX_OK);
		fixture_close(&f);
	}
	cr_expect_eq(at, flags & AIBRIX_STORE_DURABLE ? 3 : 2);
}

Test(store_job, a_device_error_at_any_step_of_a_put_retires_the_slot)
{
	put_fails(EIO, AIBRIX_E_IO, 1, 0);
	put_fails(EIO, AIBRIX_E_IO, 1, AIBRIX_STORE_DURABLE);
}

Test(store_job, other_errors_of_a_put_leave_the_slot_empty_and_of_use)
{
	put_fails(EACCES, AIBRIX_E_DENIED, 0, AIBRIX_STORE_DURABLE);
	put_fails(EINVAL, AIBRIX_E_IO, 0, 0);
}

Test(store_job, a_put_without_room_tries_another_slot_once)
{
	struct fixture f;

	fixture_open(&f, 512, 0);
	value_fill();
	disk.fail_at = 1;
	disk.answer = -ENOSPC;
	cr_expect_eq(job_do(&f, AIBRIX_STORE_PUT, "k", value, VALUE).status,
		     AIBRIX_OK);
	cr_expect_eq(job_do(&f, AIBRIX_STORE_GET, "k", got, VALUE).status,
		     AIBRIX_OK);
	cr_expect_eq(memcmp(value, got, VALUE), 0);
	fixture_close(&f);
}

Test(store_job, a_device_error_of_a_get_retires_the_slot)
{
	struct fixture f;

	fixture_open(&f, 512, 0);
	value_fill();
	cr_assert_eq(job_do(&f, AIBRIX_STORE_PUT, "k", value, VALUE).status, 0);
	disk.fail_at = disk.calls + 1;
	disk.answer = -EIO;
	cr_expect_eq(job_do(&f, AIBRIX_STORE_GET, "k", got, VALUE).status,
		     AIBRIX_E_IO);
	cr_expect_eq(job_do(&f, AIBRIX_STORE_GET, "k", got, VALUE).status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(f.jobs.directory.bad, 1);
	cr_expect_eq(f.stat.dropped, 1);
	fixture_close(&f);
}

Test(store_job, what_the_kernel_left_undone_is_asked_for_again)
{
	static const int errors[] = {EINTR, EAGAIN, ECANCELED};
	struct fixture f;

	for (uint32_t i = 0; i < 3; i++) {
		fixture_open(&f, 512, AIBRIX_STORE_DURABLE);
		value_fill();
		disk.fail_at = 1;
		disk.answer = -errors[i];
		cr_expect_eq(
			job_do(&f, AIBRIX_STORE_PUT, "k", value, VALUE).status,
			AIBRIX_OK);
		disk.fail_at = disk.calls + 1;
		cr_expect_eq(
			job_do(&f, AIBRIX_STORE_GET, "k", got, VALUE).status,
			AIBRIX_OK);
		fixture_close(&f);
	}
}

Test(store_job, a_stopped_put_leaves_no_head_behind)
{
	struct fixture f;

	fixture_open(&f, 512, AIBRIX_STORE_DURABLE);
	value_fill();
	disk.stop_at = 2; /* before the sync */
	cr_expect_eq(job_do(&f, AIBRIX_STORE_PUT, "k", value, VALUE).status,
		     AIBRIX_E_CANCELED);
	for (uint32_t i = 0; i < SLOTS; i++)
		cr_expect_eq(disk.bytes[4096 + i * STRIDE], 0);
	cr_expect_eq(f.jobs.directory.used, 0);
	fixture_close(&f);
}

Test(store_job, a_value_being_written_is_not_seen_and_one_being_read_stays)
{
	aibrix_iov iov = {value, VALUE};
	aibrix_io put = {.key = "k",
			 .key_bytes = 1,
			 .op = AIBRIX_STORE_PUT,
			 .iov = &iov,
			 .n_iov = 1};
	aibrix_io get = put, delete = put;
	struct step step = {.edge = disk.edge, .bounce = disk.bounce};
	struct job writer, reader, other;
	aibrix_done done = {0};
	struct fixture f;

	get.op = AIBRIX_STORE_GET;
	delete.op = AIBRIX_STORE_DELETE;
	fixture_open(&f, 512, 0);
	value_fill();
	cr_assert_eq(aibrix__job_begin(&f.jobs, &writer, &put, &done),
		     JOB_RUNS);
	cr_expect_eq(aibrix__job_begin(&f.jobs, &other, &get, &done),
		     JOB_ENDED);
	cr_expect_eq(done.status, AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix__job_begin(&f.jobs, &other, &put, &done),
		     JOB_WAITS);
	cr_expect_eq(aibrix__job_begin(&f.jobs, &other, &delete, &done),
		     JOB_WAITS);
	aibrix__job_step(&f.jobs, &writer, &step);
	cr_assert_eq(
		aibrix__job_result(&f.jobs, &writer, &step, disk_call(&step)),
		0);
	cr_assert_eq(aibrix__job_settle(&f.jobs, &writer, &done), JOB_ENDED);

	cr_assert_eq(aibrix__job_begin(&f.jobs, &reader, &get, &done),
		     JOB_RUNS);
	cr_expect_eq(job_do(&f, AIBRIX_STORE_PUT, "a", value, 1).status, 0);
	cr_expect_eq(job_do(&f, AIBRIX_STORE_PUT, "b", value, 1).status, 0);
	cr_expect_eq(job_do(&f, AIBRIX_STORE_PUT, "c", value, 1).status, 0);
	cr_expect_eq(f.stat.evictions, 1, "not the slot that is read");
	cr_expect_eq(job_do(&f, AIBRIX_STORE_DELETE, "k", NULL, 0).status, 0);
	cr_expect_eq(f.jobs.directory.n_free, 0, "its reader has it");
	aibrix__job_step(&f.jobs, &reader, &step);
	cr_assert_eq(
		aibrix__job_result(&f.jobs, &reader, &step, disk_call(&step)),
		0);
	cr_assert_eq(aibrix__job_settle(&f.jobs, &reader, &done), JOB_ENDED);
	cr_expect_eq(done.status, AIBRIX_E_NOT_FOUND, "deleted meanwhile");
	cr_expect_eq(f.jobs.directory.n_free, 1);
	fixture_close(&f);
}
