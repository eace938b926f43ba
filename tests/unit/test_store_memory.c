/*
 * Memory that the store of a file was told of beforehand.
 *
 * Whether the kernel really goes by what was registered shows when something
 * else is mapped there afterwards: a fixed buffer stays the pages that were
 * pinned, whatever the addresses mean by now.  So the memory is a memfd that
 * is mapped twice, and the first mapping is replaced.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include <criterion/criterion.h>

#include "store_tools.h"

enum {
	REGION = 4 << 20,
	REGIONS = 3,
	PIECE = 1 << 20, /* the first one has the slot's head beside it */
	VALUE = 2 * PIECE + 70001,
	OFFSET = 13, /* of the value in its region: no alignment */
	PLACES = 64, /* of the kernel's table */
	PAGE = 4096
};

static aibrix_store *
store_new(const char *path)
{
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_FILE,
					.path = path,
					.flags = AIBRIX_STORE_BUFFERED,
					.capacity_bytes = 8 * (uint64_t)VALUE,
					.value_bytes = VALUE};
	aibrix_store *store = NULL;

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	return store;
}

static uint8_t *
map(int fd, void *at, int flags)
{
	void *memory = mmap(at, REGIONS * REGION, PROT_READ | PROT_WRITE, flags,
			    fd, 0);

	cr_assert_neq(memory, MAP_FAILED);
	return memory;
}

static uint8_t
byte_of(uint32_t which, uint32_t i)
{
	return (uint8_t)(1 + (which * 31 + i + i / 251) % 255);
}

static void
value_make(uint8_t *value, uint32_t which)
{
	for (uint32_t i = 0; i < VALUE; i++)
		value[i] = byte_of(which, i);
}

static int
value_is(const uint8_t *value, uint32_t which, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (value[i] != byte_of(which, i))
			return 0;
	return 1;
}

static int
is_zero(const uint8_t *value, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (value[i])
			return 0;
	return 1;
}

static int
status_of(aibrix_store *store, uint32_t op, uint32_t which, void *memory)
{
	const char key[] = {(char)('a' + which), 0};
	const aibrix_iov iov = {memory, VALUE};
	aibrix_io io = io_of(op, key, &iov, 1);

	return store_do(store, &io).status;
}

static void
move(aibrix_store *store, uint32_t op, uint32_t which, void *memory)
{
	cr_expect_eq(status_of(store, op, which, memory), AIBRIX_OK);
}

/* Pages one by one until there is no place any more: how many; 0: nothing is
 * registered on this machine. */
static uint32_t
places_fill(aibrix_store *store, uint8_t *pages)
{
	uint32_t n = 0;
	int status = AIBRIX_OK;

	while (n <= PLACES && status == AIBRIX_OK) {
		status = aibrix_store_memory_add(store, pages + n * PAGE, PAGE);
		n += status == AIBRIX_OK;
	}
	if (n > PLACES || status != AIBRIX_E_FULL)
		return 0;
	return n;
}

Test(store_memory, what_is_registered_is_what_the_kernel_moves)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = store_new(path.text);
	int fd = memfd_create("regions", MFD_CLOEXEC);
	uint8_t *told, *pages, *view, *plain = malloc(VALUE);

	cr_assert_eq(ftruncate(fd, REGIONS * REGION), 0);
	told = map(fd, NULL, MAP_SHARED);
	view = map(fd, NULL, MAP_SHARED);
	pages = map(-1, NULL, MAP_PRIVATE | MAP_ANONYMOUS);
	for (uint32_t i = 0; i < REGIONS; i++)
		if (aibrix_store_memory_add(store, told + i * REGION, REGION))
			cr_skip_test("no memory can be locked here");
	if (places_fill(store, pages) != PLACES - REGIONS)
		cr_skip_test("no table of registered memory here");
	for (uint32_t i = 0; i < REGIONS; i++) {
		value_make(plain, i);
		move(store, AIBRIX_STORE_PUT, i, plain);
	}
	/* The addresses mean other memory now. */
	map(-1, told, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	for (uint32_t i = 0; i < REGIONS; i++) {
		uint8_t *seen = told + i * REGION + OFFSET;
		uint8_t *pinned = view + i * REGION + OFFSET;

		/* Who looks at the addresses sees the first piece alone. */
		cr_expect_eq(status_of(store, AIBRIX_STORE_GET, i, seen),
			     AIBRIX_E_CORRUPT);
		cr_expect(value_is(seen, i, 0, PIECE), "it has the head");
		cr_expect(is_zero(seen, PIECE, VALUE));
		cr_expect(value_is(pinned, i, PIECE, VALUE), "registered");
		cr_expect(is_zero(pinned, 0, PIECE));
		cr_expect(is_zero(pinned, VALUE, VALUE + PAGE));
		/* And from both to the file, under another name. */
		value_make(pinned, REGIONS + i);
		value_make(seen, REGIONS + i);
		memset(pinned, 0, PIECE);
		move(store, AIBRIX_STORE_PUT, REGIONS + i, seen);
		move(store, AIBRIX_STORE_GET, REGIONS + i, plain);
		cr_expect(value_is(plain, REGIONS + i, 0, VALUE));
	}
	for (uint32_t i = 0; i < REGIONS; i++)
		aibrix_store_memory_remove(store, told + i * REGION, REGION);
	/* Not registered any more: the addresses are what counts. */
	memset(told, 0, REGION);
	move(store, AIBRIX_STORE_GET, REGIONS, told + OFFSET);
	cr_expect(value_is(told + OFFSET, REGIONS, 0, VALUE));
	cr_expect_eq(aibrix_store_memory_add(store, told, REGION), AIBRIX_OK,
		     "there is a place again");
	aibrix_store_free(store);
	close(fd);
	free(plain);
	unlink(path.text);
}

/* Root may lock what it likes, as long as it has this capability. */
static void
lock_limit(uint64_t bytes)
{
	const struct rlimit limit = {bytes, bytes};
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	int failed = setrlimit(RLIMIT_MEMLOCK, &limit) ||
		     syscall(SYS_capget, &head, data);

	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	data[0].permitted &= ~(1u << CAP_IPC_LOCK);
	if (failed || syscall(SYS_capset, &head, data))
		cr_skip_test("limits cannot be set here");
}

static void
works(aibrix_store *store, uint8_t *memory)
{
	for (uint32_t i = 0; i < REGIONS; i++) {
		uint8_t *at = memory + i * REGION + OFFSET;

		value_make(at, i);
		move(store, AIBRIX_STORE_PUT, i, at);
		memset(at, 0, VALUE);
		move(store, AIBRIX_STORE_GET, i, at);
		cr_expect(value_is(at, i, 0, VALUE));
	}
}

Test(store_memory, memory_that_may_not_be_locked_is_denied_and_works_without)
{
	struct temp_path path = temp_path_new();
	uint8_t *memory = map(-1, NULL, MAP_PRIVATE | MAP_ANONYMOUS);
	aibrix_store *store;
	int status;

	lock_limit(1 << 20);
	store = store_new(path.text);
	status = aibrix_store_memory_add(store, memory, REGION);
	if (status == AIBRIX_OK || status == AIBRIX_E_FULL)
		cr_skip_test("nothing is registered here");
	cr_expect_eq(status, AIBRIX_E_DENIED);
	works(store, memory);
	/* Nothing was registered, and nothing is taken back. */
	aibrix_store_memory_remove(store, memory, REGION);
	cr_expect_eq(aibrix_store_memory_add(store, memory, REGION),
		     AIBRIX_E_DENIED);
	aibrix_store_free(store);
	unlink(path.text);
}

/* Not even the kernel's ring, where that is counted: then there is none, and
 * no memory is told of. */
Test(store_memory, a_store_works_where_no_memory_at_all_may_be_locked)
{
	struct temp_path path = temp_path_new();
	uint8_t *memory = map(-1, NULL, MAP_PRIVATE | MAP_ANONYMOUS);
	aibrix_store *store;
	int status;

	lock_limit(0);
	store = store_new(path.text);
	status = aibrix_store_memory_add(store, memory, REGION);
	cr_expect(status == AIBRIX_OK || status == AIBRIX_E_DENIED ||
			  status == AIBRIX_E_FULL,
		  "%d", status);
	works(store, memory);
	aibrix_store_free(store);
	unlink(path.text);
}
