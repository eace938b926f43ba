/*
 * Stores on a disk that is full: a small one, in a mount namespace of this
 * test's own.
 */
#define _GNU_SOURCE

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include <aibrix/shfs.h>

#include "store_tools.h"

enum { DISK = 2 << 20, VALUE = 64 << 10 };

/* Criterion runs each test in a process, with which the mount ends. */
static struct temp_path
disk_new(void)
{
	struct temp_path disk = temp_folder_new();
	char size[32];

	snprintf(size, sizeof(size), "size=%d", DISK);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", disk.text, "tmpfs", 0, size)) {
		rmdir(disk.text);
		cr_skip_test("no mount namespaces here");
	}
	return disk;
}

static void
disk_end(const struct temp_path *disk)
{
	umount2(disk->text, MNT_DETACH);
	rmdir(disk->text);
}

static aibrix_done
ask(aibrix_store *store, uint32_t op, uint32_t number, uint8_t *value)
{
	aibrix_iov iov = {value, VALUE};
	aibrix_io io = {.key = &number,
			.key_bytes = sizeof(number),
			.op = op,
			.priority = AIBRIX_PRIORITY_GET,
			.iov = &iov,
			.n_iov = 1};

	if (op == AIBRIX_STORE_PUT)
		memset(value, (int)(number + 1), VALUE);
	return store_do(store, &io);
}

static int
is_whole(const uint8_t *value, uint32_t number)
{
	for (uint32_t i = 0; i < VALUE; i++)
		if (value[i] != (uint8_t)(number + 1))
			return 0;
	return 1;
}

Test(store_full, a_slot_file_that_does_not_fit_is_not_made)
{
	struct temp_path disk = disk_new();
	char path[300];
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_FILE,
				  .path = path,
				  .value_bytes = VALUE,
				  .capacity_bytes = 4 * DISK};
	aibrix_store *store = NULL;
	struct stat st;

	snprintf(path, sizeof(path), "%s/slots", disk.text);
	cr_expect_eq(aibrix_store_open(&opts, &store), AIBRIX_E_FULL);
	cr_expect_null(store);
	cr_expect_neq(stat(path, &st), 0, "nothing is left behind");
	/* And there is room for a smaller one. */
	opts.capacity_bytes = DISK / 2;
	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	aibrix_store_free(store);
	disk_end(&disk);
}

Test(store_full, a_full_disk_takes_no_value_and_loses_none)
{
	struct temp_path disk = disk_new();
	aibrix_shfs_opts shfs = {.size = sizeof(shfs),
				 .flags = AIBRIX_SHFS_KEEP};
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_SHFS,
				  .path = disk.text,
				  .value_bytes = VALUE,
				  .capacity_bytes = 64 * DISK,
				  .backend_opts = &shfs};
	uint8_t value[VALUE];
	aibrix_store *store;
	aibrix_done done;
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	do {
		done = ask(store, AIBRIX_STORE_PUT, n, value);
		n += done.status == AIBRIX_OK;
	} while (!done.status && n < 1000);
	cr_expect_eq(done.status, AIBRIX_E_FULL);
	cr_expect_gt(n, 20);
	for (uint32_t i = 0; i < n; i++) {
		done = ask(store, AIBRIX_STORE_GET, i, value);
		cr_expect(!done.status && is_whole(value, i), "value %u", i);
	}
	done = ask(store, AIBRIX_STORE_GET, n, value);
	cr_expect_eq(done.status, AIBRIX_E_NOT_FOUND, "and nothing half");
	aibrix_store_free(store);
	disk_end(&disk);
}

Test(store_full, a_cache_on_a_full_disk_gives_up_what_is_old)
{
	struct temp_path disk = disk_new();
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_SHFS,
				  .path = disk.text,
				  .value_bytes = VALUE,
				  .capacity_bytes = 64 * DISK};
	uint8_t value[VALUE];
	aibrix_store *store;
	uint32_t held = 0;

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	for (uint32_t i = 0; i < 100; i++)
		cr_expect_eq(ask(store, AIBRIX_STORE_PUT, i, value).status,
			     AIBRIX_OK, "value %u", i);
	for (uint32_t i = 0; i < 100; i++) {
		aibrix_done done = ask(store, AIBRIX_STORE_GET, i, value);

		cr_expect(done.status == AIBRIX_E_NOT_FOUND ||
			  (!done.status && is_whole(value, i)));
		held += !done.status;
	}
	cr_expect_gt(held, 10);
	cr_expect_eq(ask(store, AIBRIX_STORE_GET, 99, value).status, AIBRIX_OK,
		     "what came last is there");
	aibrix_store_free(store);
	disk_end(&disk);
}
