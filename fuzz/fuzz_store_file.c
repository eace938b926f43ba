/*
 * Slot files from anywhere: opening one ends in a store or in a refusal, and
 * the store that it ends in keeps its promises.
 *
 * The input is cut into pieces of {where, length, bytes}, which are written
 * over a good file of three small slots.  With the last byte odd, heads get
 * a right CRC afterwards, so that what lies behind it is reached.
 */

#define _DEFAULT_SOURCE

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aibrix/store.h>

#include "base/crc32c.h"
#include "store/store_slots.h"

#include "../tests/store_tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { VALUE = 64, SLOTS = 3, STRIDE = 8192, FILE_BYTES = 4096 + 3 * 8192 };

#define REQUIRE(x) ((x) ? (void)0 : abort())

static aibrix_store *
store_at(const char *path)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_FILE,
				  .path = path,
				  .capacity_bytes = SLOTS * VALUE,
				  .value_bytes = VALUE,
				  .max_inflight = 4};
	aibrix_store *store = NULL;

	if (aibrix_store_open(&opts, &store))
		REQUIRE(!store);
	return store;
}

static void
file_write(const char *path, const uint8_t *bytes)
{
	FILE *f = fopen(path, "r+b");

	REQUIRE(f && fwrite(bytes, 1, FILE_BYTES, f) == FILE_BYTES);
	fclose(f);
}

static void
file_read(const char *path, uint8_t *bytes)
{
	FILE *f = fopen(path, "rb");

	REQUIRE(f && fread(bytes, 1, FILE_BYTES, f) == FILE_BYTES);
	fclose(f);
}

/* Pieces go to places that mean something: the superblock, heads, values. */
static void
bytes_damage(uint8_t *bytes, const uint8_t *data, size_t len)
{
	while (len > 3) {
		size_t at = data[0] % 8 * 4096u % FILE_BYTES + data[1];
		size_t n = data[2];

		data += 3;
		len -= 3;
		if (n > len)
			n = len;
		if (n > FILE_BYTES - at)
			n = FILE_BYTES - at;
		memcpy(bytes + at, data, n);
		data += n;
		len -= n;
	}
}

static void
heads_seal(uint8_t *bytes)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		uint8_t *head = bytes + 4096 + slot * STRIDE;
		uint32_t crc;

		memset(head + 4, 0, 4);
		crc = aibrix__crc32c(0, 0, head, SLOT_HEAD);
		for (uint32_t i = 0; i < 4; i++)
			head[4 + i] = (uint8_t)(crc >> 8 * i);
	}
}

/* What was found is at most what fits, and new values are kept. */
static void
store_try(aibrix_store *store)
{
	aibrix_store_stat stat = store_stat(store);
	char text[VALUE + 1];

	REQUIRE(stat.recovered <= SLOTS && stat.values == stat.recovered);
	(void)store_get(store, "b", text, sizeof(text));
	(void)store_put(store, "new", "value");
	REQUIRE(store_get(store, "new", text, sizeof(text)).status == 0);
	REQUIRE(strcmp(text, "value") == 0);
	(void)store_ask(store, AIBRIX_STORE_DELETE, "a");
	REQUIRE(store_put(store, "more", "").status == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const keys[] = {"a", "b", "c"};
	struct temp_path path = temp_path_new();
	aibrix_store *store = store_at(path.text);
	uint8_t *bytes = malloc(FILE_BYTES);
	uint64_t values;

	REQUIRE(store && bytes);
	for (uint32_t i = 0; i < SLOTS; i++)
		REQUIRE(store_put(store, keys[i], keys[i]).status == 0);
	aibrix_store_free(store);
	file_read(path.text, bytes);
	if (len)
		bytes_damage(bytes, data, len - 1);
	if (len && data[len - 1] % 2)
		heads_seal(bytes);
	file_write(path.text, bytes);
	free(bytes);

	store = store_at(path.text);
	if (store) {
		store_try(store);
		values = store_stat(store).values;
		aibrix_store_free(store);
		store = store_at(path.text);
		REQUIRE(store && store_stat(store).recovered == values);
		aibrix_store_free(store);
	}
	unlink(path.text);
	return 0;
}
