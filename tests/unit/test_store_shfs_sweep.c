/* The quota of a shared directory, and what writers left behind. */

#define _GNU_SOURCE

#include <stdio.h>
#include <sys/syscall.h>

#include "base/rand.h"
#include "shfs_tools.h"

/* The whole of a small tree in one piece: then the sweep is exact. */
enum { ALL = 1024 };

static int looked_at;

/* In front of libc's: how many files the sweep looks at. */
int
fstatat(int at, const char *name, struct stat *st, int flags)
{
	looked_at++;
	return (int)syscall(SYS_newfstatat, at, name, st, flags);
}

/* Keys "00".."ff" and so on: their names are spread over directories. */
static void
spread_key(uint64_t i, char key[17])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t x = mix64(i + 1);

	for (int k = 0; k < 16; k++)
		key[k] = digits[x >> (4 * k) & 15];
	key[16] = '\0';
}

static struct file_name
spread_file(uint64_t i)
{
	struct file_name f;
	char key[17], hex[33];

	spread_key(i, key);
	for (int k = 0; k < 16; k++)
		snprintf(hex + 2 * k, 3, "%02x", (unsigned char)key[k]);
	snprintf(f.text, sizeof(f.text), "%.2s/%.2s/%s", hex, hex + 2, hex);
	return f;
}

static aibrix_done
spread_put(aibrix_store *store, uint64_t i)
{
	char key[17];

	spread_key(i, key);
	return store_put(store, key, "0123456789");
}

static int
spread_is_there(aibrix_store *store, uint64_t i)
{
	char key[17];

	spread_key(i, key);
	return store_ask(store, AIBRIX_STORE_PROBE, key).status == AIBRIX_OK;
}

Test(store_shfs_sweep, the_value_used_longest_ago_makes_room)
{
	struct shared s = shared_new();
	aibrix_store *store;

	s.opts.value_bytes = 10;
	s.opts.capacity_bytes = 40;
	s.shfs.sweep_entries = ALL;
	store = shared_open(&s);
	for (uint64_t i = 0; i < 4; i++) {
		cr_expect_eq(spread_put(store, i).status, AIBRIX_OK);
		file_age(&s, spread_file(i).text, 100 - (long)(i ^ 2));
	}
	/* from the oldest: 2, 3, 0, 1 */
	cr_expect_eq(spread_put(store, 4).status, AIBRIX_OK);
	cr_expect_not(spread_is_there(store, 2));
	cr_expect_eq(spread_put(store, 5).status, AIBRIX_OK);
	cr_expect_not(spread_is_there(store, 3));
	cr_expect(spread_is_there(store, 0));
	cr_expect(spread_is_there(store, 1));
	cr_expect_eq(store_stat(store).evictions, 2);
	cr_expect_eq(store_stat(store).values, 4);
	cr_expect_eq(store_stat(store).capacity_values, 4);
	cr_expect_eq(spread_put(store, 4).flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(store_stat(store).evictions, 2, "which needs no room");
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_sweep, a_hit_saves_a_value_and_a_probe_does_not)
{
	struct shared s = shared_new();
	aibrix_store *store;
	char key[17], text[32];

	s.opts.value_bytes = 10;
	s.opts.capacity_bytes = 30;
	s.shfs.sweep_entries = ALL;
	store = shared_open(&s);
	for (uint64_t i = 0; i < 3; i++) {
		spread_put(store, i);
		file_age(&s, spread_file(i).text, 10000 - (long)i);
	}
	spread_key(0, key);
	cr_expect_eq(store_get(store, key, text, 32).status, AIBRIX_OK);
	cr_expect(spread_is_there(store, 1));
	cr_expect_eq(spread_put(store, 2).flags, AIBRIX_DONE_EXISTED);
	spread_put(store, 3);
	cr_expect_not(spread_is_there(store, 1));
	cr_expect(spread_is_there(store, 0));
	cr_expect(spread_is_there(store, 2));
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* Marking costs a write of an inode: not with every hit. */
Test(store_shfs_sweep, a_young_value_is_not_marked_again)
{
	struct shared s = shared_new();
	aibrix_store *store;
	char key[17], text[32];
	struct stat before, after;

	s.shfs.touch_ns = UINT64_C(1000) * 1000000000;
	store = shared_open(&s);
	spread_put(store, 0);
	spread_key(0, key);
	for (int i = 0; i < 2; i++) {
		file_age(&s, spread_file(0).text, i ? 2000 : 500);
		stat(below(&s, spread_file(0).text).text, &before);
		store_get(store, key, text, 32);
		stat(below(&s, spread_file(0).text).text, &after);
		cr_expect_eq(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
		if (i)
			cr_expect_gt(after.st_atim.tv_sec,
				     before.st_atim.tv_sec + 1000);
	}
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* Others write and delete: the next pass counts anew. */
Test(store_shfs_sweep, what_others_wrote_counts_and_what_they_deleted_does_not)
{
	struct shared s = shared_new();
	aibrix_store *store;

	s.opts.value_bytes = 10;
	s.opts.capacity_bytes = 100;
	s.shfs.sweep_entries = ALL;
	store = shared_open(&s);
	for (uint64_t i = 0; i < 9; i++) {
		file_write(&s, spread_file(i).text, "0123456789");
		file_age(&s, spread_file(i).text, 1000 - (long)i);
	}
	cr_expect_eq(spread_put(store, 9).status, AIBRIX_OK);
	cr_expect_eq(store_stat(store).evictions, 0);
	cr_expect_eq(spread_put(store, 10).status, AIBRIX_OK);
	cr_expect_eq(store_stat(store).evictions, 1);
	cr_expect_not(spread_is_there(store, 0));
	for (uint64_t i = 1; i < 6; i++)
		unlink(below(&s, spread_file(i).text).text);
	for (uint64_t i = 11; i < 15; i++)
		cr_expect_eq(spread_put(store, i).status, AIBRIX_OK);
	cr_expect_eq(store_stat(store).evictions, 1);
	cr_expect_eq(store_stat(store).values, 9);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_sweep, where_all_is_kept_the_quota_deletes_nothing)
{
	struct shared s = shared_new();
	aibrix_store *store;

	s.opts.value_bytes = 10;
	s.opts.capacity_bytes = 20;
	s.shfs.flags = AIBRIX_SHFS_KEEP;
	store = shared_open(&s);
	for (uint64_t i = 0; i < 20; i++)
		cr_expect_eq(spread_put(store, i).status, AIBRIX_OK);
	for (uint64_t i = 0; i < 20; i++)
		cr_expect(spread_is_there(store, i));
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* The work of a PUT does not grow with what is there. */
Test(store_shfs_sweep, a_large_directory_is_kept_to_its_quota_in_small_pieces)
{
	enum { FILES = 3000, QUOTA = 1000, MORE = 2500 };
	struct shared s = shared_new();
	aibrix_store *store;
	int worst = 0, old = 0;

	s.opts.value_bytes = 10;
	s.opts.capacity_bytes = 10 * QUOTA;
	store = shared_open(&s);
	for (uint64_t i = 0; i < FILES; i++) {
		file_write(&s, spread_file(i).text, "0123456789");
		/* the second half is younger */
		file_age(&s, spread_file(i).text, i < FILES / 2 ? 90000 : 9000);
	}
	for (uint64_t i = FILES; i < FILES + MORE; i++) {
		looked_at = 0;
		cr_assert_eq(spread_put(store, i).status, AIBRIX_OK);
		if (looked_at > worst)
			worst = looked_at;
	}
	/* a first pass's 64, and two for each of 32 deletions in 16 pieces */
	cr_expect_leq(worst, 64 * 17 + 64);
	cr_expect_leq(store_stat(store).values, QUOTA * 102 / 100);
	cr_expect_geq(store_stat(store).values, QUOTA * 90 / 100);
	for (uint64_t i = 0; i < FILES / 2; i++)
		old += spread_is_there(store, i);
	cr_expect_leq(old, 15, "%d of the oldest are left", old);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_sweep, temporary_files_go_after_an_hour_and_others_stay)
{
	static const char *const gone[] = {
		"61/62/.0123456789abcdef0123456789abcdef.tmp",
		"61/62/616263.tmp", /* AIBrix's */
		".0123456789abcdef0123456789abcdef.tmp"};
	static const char *const kept[] = {
		"61/62/.fedcba9876543210fedcba9876543210.tmp", /* young */
		"61/62/notes.tmp",
		"61/62/README",
		"61/62/6263",
		"6162.txt",
		"conn/61/62/6162",
		"61/616263"};
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		file_write(&s, gone[i], "half");
		file_age(&s, gone[i], 3700);
	}
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		file_write(&s, kept[i], "not ours");
		file_age(&s, kept[i], i ? 100000 : 3500);
	}
	/* Twice what a first pass needs; the quota is passed as well. */
	s.opts.capacity_bytes = s.opts.value_bytes;
	aibrix_store_free(store);
	store = shared_open(&s);
	spread_put(store, 1);
	spread_put(store, 2);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		cr_expect_not(file_is_there(&s, gone[i]), "%s", gone[i]);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		cr_expect(file_is_there(&s, kept[i]), "%s", kept[i]);
	cr_expect_eq(store_stat(store).dropped, 3);
	cr_expect_eq(store_stat(store).values, 2);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* A value that was used after the sweep saw it is not the oldest any more. */
Test(store_shfs_sweep, a_candidate_that_was_used_since_is_spared)
{
	struct shared s = shared_new();
	aibrix_store *store;

	s.opts.value_bytes = 10;
	s.opts.capacity_bytes = 30;
	s.shfs.sweep_entries = ALL;
	store = shared_open(&s);
	for (uint64_t i = 0; i < 3; i++) {
		spread_put(store, i);
		file_age(&s, spread_file(i).text, 100 - (long)i);
	}
	spread_put(store, 3); /* evicts 0; 1 and 2 are candidates */
	cr_expect_not(spread_is_there(store, 0));
	file_age(&s, spread_file(1).text, 0);
	spread_put(store, 4);
	cr_expect(spread_is_there(store, 1));
	cr_expect_not(spread_is_there(store, 2));
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}
