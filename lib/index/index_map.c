/*
 * Shared meanings: from an engine's name of a place to the place.
 *
 * One entry of 8 bytes per block, without the name: the run has it in its
 * engine array, and whoever looks a name up goes to the run anyway.
 *
 *   63        38 37    30 29   28 27          0
 *   [ run number ][offset][ moved ][ hash bits ]
 *
 * The low 8 bits of the offset are kept: in a run of at most 256 blocks they
 * say where, in a longer one they leave a few places to compare.  0 is an
 * empty entry; the root, which is run 0, has no names.
 *
 *   name --mix--> h:  bits 0-7 the bucket of 8 entries (a cache line),
 *                     bits 8-35 the hash bits, of which the first ones
 *                     choose the segment through the directory
 *
 * Extendible hashing (Fagin et al. 1979) in segments of 16 KB, as in CCEH
 * (Nam et al. 2019): the table grows by one segment at a time, so no event
 * waits for a table of millions to be copied, and a third of it at most is
 * idle.  A full bucket spills into the next three.
 *
 * Entries are not taken out when a block is forgotten: that would be a
 * random line per removed block.  An entry is stale when its run is dead or
 * shorter than its offset.  A name that finds four full buckets has the whole
 * segment swept when much is stale, or else takes the place of one stale
 * entry, or of one that can move to another of its own four buckets.  Only a
 * segment that is dense splits, so the map keeps its size when as many names
 * come as go.  The number of a dead run is given again when the last entry
 * with it has gone.
 */

#include "index/index_internal.h"

#include <string.h>

#include "base/arch.h"

enum {
	HASH_BITS = 28,
	MOVED_SHIFT = 28,
	OFF_SHIFT = 30,
	OFF_STEP = 256,
	RUN_SHIFT = 38,
	BUCKETS_TRIED = 4,
	DENSE = SEGMENT_ENTRIES * 5 / 9,
	CHUNK_SEGMENTS = 128 /* 2 MiB */
};

#define HASH_MASK (((uint64_t)1 << HASH_BITS) - 1)

static uint64_t
name_hash(const struct aibrix_index *index, uint64_t name)
{
	return mix64(name ^ index->map.salt);
}

enum { DEPTH_MASK = 63 }; /* segments are aligned to cache lines */

static uint64_t
dir_slot(const struct map *map, uint64_t h)
{
	return h >> BUCKET_BITS & (((uint64_t)1 << map->depth) - 1);
}

static uint64_t *
dir_entries(uintptr_t slot)
{
	return (uint64_t *)(slot & ~(uintptr_t)DEPTH_MASK);
}

static uint64_t *
segment_of(const struct map *map, uint64_t h)
{
	return dir_entries(map->dir[dir_slot(map, h)]);
}

static uint64_t *
bucket_of(uint64_t *entries, uint64_t h, uint32_t moved)
{
	return entries + ((h + moved) & (SEGMENT_BUCKETS - 1)) * BUCKET_ENTRIES;
}

static uint32_t
bucket_room(const uint64_t *bucket)
{
	uint32_t room = 0;

	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
		room |= (uint32_t)!bucket[i] << i;
	return room;
}

/* An eighth of what there is, so that little of it is idle. */
static int
chunk_take(struct aibrix_index *index)
{
	struct map *map = &index->map;
	uint32_t n = map->segments / 8;
	struct chunk chunk;
	int err =
		aibrix__array_grow(&index->mem, &map->chunks, &map->chunks_cap,
				   map->n_chunks + 1, sizeof(*map->chunks));

	if (err)
		return err;
	n = n < 1 ? 1 : n > CHUNK_SEGMENTS ? CHUNK_SEGMENTS : n;
	chunk.bytes = n * sizeof(struct segment);
	chunk.start = aibrix__mem_take_pages(&index->mem, chunk.bytes, &err);
	if (err)
		return err;
	map->chunks[map->n_chunks++] = chunk;
	map->spare = n;
	return AIBRIX_OK;
}

/* An empty segment.  They are not given back, save the last one. */
static uint64_t *
segment_take(struct aibrix_index *index, int *err)
{
	struct map *map = &index->map;
	uint64_t *segment;
	char *start;

	*err = map->spare ? AIBRIX_OK : chunk_take(index);
	if (*err)
		return NULL;
	start = map->chunks[map->n_chunks - 1].start;
	segment = (uint64_t *)(start + --map->spare * sizeof(struct segment));
	memset(segment, 0, sizeof(struct segment));
	return segment;
}

static void
segment_untake(struct aibrix_index *index)
{
	index->map.spare++;
}

size_t
aibrix__map_bytes(const struct aibrix_index *index)
{
	const struct map *map = &index->map;
	size_t bytes = sizeof(*map->dir) << map->depth;

	for (uint32_t i = 0; i < map->n_chunks; i++)
		bytes += map->chunks[i].bytes;
	return bytes + map->chunks_cap * sizeof(*map->chunks);
}

int
aibrix__map_init(struct aibrix_index *index)
{
	struct map *map = &index->map;
	uint64_t *segment;
	int err;

	*map = (struct map){.salt = mix64((uintptr_t)index)};
	map->dir = aibrix__mem_take(&index->mem, 1, sizeof(*map->dir), &err);
	if (!map->dir)
		return err;
	segment = segment_take(index, &err);
	if (!segment) {
		aibrix__map_free(index);
		return err;
	}
	map->dir[0] = (uintptr_t)segment;
	map->segments = 1;
	return AIBRIX_OK;
}

void
aibrix__map_free(struct aibrix_index *index)
{
	struct map *map = &index->map;
	size_t n = (size_t)1 << map->depth;

	for (uint32_t i = 0; i < map->n_chunks; i++)
		aibrix__mem_give(&index->mem, map->chunks[i].start, 1,
				 map->chunks[i].bytes);
	aibrix__mem_give(&index->mem, map->chunks, map->chunks_cap,
			 sizeof(*map->chunks));
	aibrix__mem_give(&index->mem, map->dir, n, sizeof(*map->dir));
}

void
aibrix__map_reset(struct aibrix_index *index)
{
	struct map *map = &index->map;
	size_t n = (size_t)1 << map->depth;

	for (size_t i = 0; i < n; i++)
		memset(dir_entries(map->dir[i]), 0, sizeof(struct segment));
	map->stale = 0;
	index->slots.used = index->slots.live = 1;
	index->slots.free = NONE;
}

void
aibrix__map_refs(const struct aibrix_index *index, uint32_t *refs)
{
	const struct map *map = &index->map;

	for (size_t i = 0; i >> map->depth == 0; i++) {
		const uint64_t *entries = dir_entries(map->dir[i]);

		if (i >> (map->dir[i] & DEPTH_MASK))
			continue;
		for (uint32_t k = 0; k < SEGMENT_ENTRIES; k++)
			if (entries[k])
				refs[entries[k] >> RUN_SHIFT]++;
	}
}

uint64_t
aibrix__map_warm(const struct aibrix_index *index, uint64_t name)
{
	uint64_t h = name_hash(index, name);

	prefetch(&index->map.dir[dir_slot(&index->map, h)]);
	return h;
}

void
aibrix__map_warm_bucket(const struct aibrix_index *index, uint64_t h)
{
	prefetch(bucket_of(segment_of(&index->map, h), h, 0));
}

void
aibrix__map_warm_more(const struct aibrix_index *index, uint64_t h)
{
	uint64_t *entries = segment_of(&index->map, h);

	if (bucket_room(bucket_of(entries, h, 0)))
		return;
	for (uint32_t moved = 1; moved < BUCKETS_TRIED; moved++)
		prefetch(bucket_of(entries, h, moved));
}

/* Is the entry's place the one of that name? */
static uint32_t
entry_meets(const struct aibrix_index *index, uint64_t entry, uint64_t name,
	    struct run **run)
{
	const struct slot *slot =
		slot_at(index, (uint32_t)(entry >> RUN_SHIFT));
	uint32_t off = (uint32_t)(entry >> OFF_SHIFT) & (OFF_STEP - 1);

	for (; off < slot->len; off += OFF_STEP) {
		if (run_engine(slot->run)[off] != name ||
		    (slot->run->unfiled && bit_get(slot->run->unfiled, off)))
			continue;
		*run = slot->run;
		return off;
	}
	return NONE;
}

/* Bit i: entry i has the bits of key below OFF_SHIFT.  Without branches:
 * where a bucket's entries end cannot be foretold. */
static uint32_t
bucket_match(const uint64_t *bucket, uint64_t key)
{
	uint32_t match = 0;

	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
		match |= (uint32_t) !((bucket[i] ^ key) << (64 - OFF_SHIFT))
			 << i;
	return match;
}

/*
 * The place of name, or NONE; then *room is where it would be entered, NULL
 * when the four buckets are full.  A name is never behind a bucket with room.
 */
static uint32_t
name_find(const struct aibrix_index *index, uint64_t name, uint64_t h,
	  struct run **run, uint64_t **room, uint32_t *moved)
{
	uint64_t want = h >> BUCKET_BITS & HASH_MASK;
	uint64_t *entries = segment_of(&index->map, h);

	*room = NULL;
	for (*moved = 0; *moved < BUCKETS_TRIED; ++*moved) {
		uint64_t *bucket = bucket_of(entries, h, *moved);
		uint32_t match = bucket_match(
			bucket, want | (uint64_t)*moved << MOVED_SHIFT);
		uint32_t free = bucket_room(bucket);

		for (; match; match &= match - 1) {
			uint64_t entry = bucket[__builtin_ctz(match)];
			uint32_t off = NONE;

			if (entry)
				off = entry_meets(index, entry, name, run);
			if (off != NONE)
				return off;
		}
		if (free) {
			*room = bucket + __builtin_ctz(free);
			break;
		}
	}
	return NONE;
}

uint32_t
aibrix__map_find(const struct aibrix_index *index, uint64_t name,
		 struct run **run)
{
	uint32_t moved;
	uint64_t *room;

	return name_find(index, name, name_hash(index, name), run, &room,
			 &moved);
}

static int
entry_stale(const struct aibrix_index *index, uint64_t entry)
{
	const struct slot *slot =
		slot_at(index, (uint32_t)(entry >> RUN_SHIFT));

	return slot->len <= ((uint32_t)(entry >> OFF_SHIFT) & (OFF_STEP - 1));
}

static void
entry_forget(struct aibrix_index *index, uint64_t entry)
{
	uint32_t id = (uint32_t)(entry >> RUN_SHIFT);
	struct slot *slot = slot_at(index, id);

	index->map.stale -= index->map.stale > 0;
	if (--slot->refs || slot->run)
		return;
	slot->refs = index->slots.free;
	index->slots.free = id;
	index->slots.live--;
}

/*
 * The entries of from that are not stale into low, or those with bit depth
 * of the hash set into high; both are empty before.  0: one found no room.
 */
static int
segment_spread(const struct aibrix_index *index, const struct segment *from,
	       uint64_t *low, uint64_t *high, uint32_t depth)
{
	uint8_t filled[2][SEGMENT_BUCKETS] = {{0}};

	for (uint32_t i = 0; i < SEGMENT_ENTRIES; i++) {
		uint64_t entry = from->entries[i], moved;
		uint64_t home = i / BUCKET_ENTRIES -
				(entry >> MOVED_SHIFT & (BUCKETS_TRIED - 1));
		int up = high && entry >> depth & 1;

		if (!entry || (index->map.stale && entry_stale(index, entry)))
			continue;
		entry &= ~((uint64_t)(BUCKETS_TRIED - 1) << MOVED_SHIFT);
		for (moved = 0; moved < BUCKETS_TRIED; moved++) {
			uint64_t b = (home + moved) & (SEGMENT_BUCKETS - 1);

			if (filled[up][b] == BUCKET_ENTRIES)
				continue;
			(up ? high
			    : low)[b * BUCKET_ENTRIES + filled[up][b]++] =
				entry | moved << MOVED_SHIFT;
			break;
		}
		if (moved == BUCKETS_TRIED)
			return 0;
	}
	return 1;
}

/* After a spread. */
static void
segment_forget(struct aibrix_index *index, const struct segment *from)
{
	for (uint32_t i = 0; i < SEGMENT_ENTRIES; i++)
		if (from->entries[i] && entry_stale(index, from->entries[i]))
			entry_forget(index, from->entries[i]);
}

static int
directory_double(struct aibrix_index *index)
{
	struct map *map = &index->map;
	size_t n = (size_t)1 << map->depth;
	uintptr_t *dir;
	int err;

	if (map->depth == HASH_BITS)
		return AIBRIX_E_FULL;
	dir = aibrix__mem_take(&index->mem, n * 2, sizeof(*dir), &err);
	if (!dir)
		return err;
	memcpy(dir, map->dir, n * sizeof(*dir));
	memcpy(dir + n, map->dir, n * sizeof(*dir));
	aibrix__mem_give(&index->mem, map->dir, n, sizeof(*dir));
	map->dir = dir;
	map->depth++;
	return AIBRIX_OK;
}

/* Both halves, in every slot of the directory that leads to them. */
static void
directory_part(struct map *map, uint64_t h, uint64_t *low, uint64_t *high,
	       uint32_t depth)
{
	uint64_t step = (uint64_t)1 << depth;

	map->segments++;
	for (uint64_t i = h >> BUCKET_BITS & (step - 1); i >> map->depth == 0;
	     i += 2 * step) {
		map->dir[i] = (uintptr_t)low | (depth + 1);
		map->dir[i + step] = (uintptr_t)high | (depth + 1);
	}
}

static int
segment_split(struct aibrix_index *index, uint64_t h)
{
	struct map *map = &index->map;
	uint32_t depth = map->dir[dir_slot(map, h)] & DEPTH_MASK;
	uint64_t *low = segment_of(map, h), *high;
	struct segment old;
	int err = AIBRIX_OK;

	if (depth == map->depth)
		err = directory_double(index);
	if (err)
		return err;
	high = segment_take(index, &err);
	if (!high)
		return err;
	memcpy(&old, low, sizeof(old));
	memset(low, 0, sizeof(old));
	if (!segment_spread(index, &old, low, high, depth)) {
		memcpy(low, &old, sizeof(old));
		segment_untake(index);
		return AIBRIX_E_FULL;
	}
	if (map->stale)
		segment_forget(index, &old);
	directory_part(map, h, low, high, depth);
	return AIBRIX_OK;
}

/* A free place in the bucket, or that of a stale entry, which is forgotten;
 * or NULL. */
static uint64_t *
bucket_take(struct aibrix_index *index, uint64_t *bucket)
{
	uint32_t room = bucket_room(bucket);

	if (room)
		return bucket + __builtin_ctz(room);
	for (uint32_t i = 0; index->map.stale && i < BUCKET_ENTRIES; i++) {
		if (!entry_stale(index, bucket[i]))
			continue;
		entry_forget(index, bucket[i]);
		return &bucket[i];
	}
	return NULL;
}

typedef uint64_t *(*room_fn)(struct aibrix_index *index, uint64_t *entries,
			     uint64_t home);

/* Take the entry in slot, of bucket at, to another of its four buckets. */
static int
entry_move(struct aibrix_index *index, uint64_t *entries, uint64_t at,
	   const uint64_t *slot, room_fn bucket_room_in)
{
	uint64_t entry = *slot, moved, home;

	moved = entry >> MOVED_SHIFT & (BUCKETS_TRIED - 1);
	home = at - moved;
	entry &= ~((uint64_t)(BUCKETS_TRIED - 1) << MOVED_SHIFT);
	for (uint64_t to = 0; to < BUCKETS_TRIED; to++) {
		uint64_t *room = NULL;

		if (to != moved)
			room = bucket_room_in(index, entries, home + to);
		if (!room)
			continue;
		*room = entry | to << MOVED_SHIFT;
		return 1;
	}
	return 0;
}

static uint64_t *
room_near(struct aibrix_index *index, uint64_t *entries, uint64_t at)
{
	return bucket_take(index, bucket_of(entries, at, 0));
}

/* The same, or the place of an entry of the bucket that moves. */
static uint64_t *
room_moving(struct aibrix_index *index, uint64_t *entries, uint64_t at)
{
	uint64_t *bucket = bucket_of(entries, at, 0);

	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
		if (entry_move(index, entries, at, &bucket[i], room_near))
			return &bucket[i];
	return NULL;
}

/* The same, or the place of one for which another one moves. */
static uint64_t *
room_far(struct aibrix_index *index, uint64_t *entries, uint64_t at)
{
	uint64_t *bucket = bucket_of(entries, at, 0);

	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
		if (entry_move(index, entries, at, &bucket[i], room_moving))
			return &bucket[i];
	return NULL;
}

/* Is the segment so full that names will not find room near their home? */
static int
segment_dense(const struct aibrix_index *index, const uint64_t *entries)
{
	uint32_t live = 0;

	for (uint32_t i = 0; i < SEGMENT_ENTRIES; i++)
		live += entries[i] && !entry_stale(index, entries[i]);
	return live > DENSE;
}

/* A place for h where all four buckets are full; NULL: better split. */
static uint64_t *
room_make(struct aibrix_index *index, uint64_t h, uint32_t *moved)
{
	static const room_fn ways[] = {room_near, room_moving, room_far};
	uint64_t *entries = segment_of(&index->map, h), *room;

	for (uint32_t way = 0; way < 3; way++) {
		if (way == 1 && segment_dense(index, entries))
			return NULL;
		for (*moved = 0; *moved < BUCKETS_TRIED; ++*moved) {
			room = ways[way](index, entries, h + *moved);
			if (room)
				return room;
		}
	}
	return NULL;
}

/*
 * Room in the whole segment at once, when there is much to forget: cheaper
 * for each name than to look for stale entries one by one, and later names
 * find room in their first bucket.
 */
static int
segment_relieve(struct aibrix_index *index, uint64_t h)
{
	uint64_t *entries = segment_of(&index->map, h);
	struct segment old;

	memcpy(&old, entries, sizeof(old));
	memset(entries, 0, sizeof(old));
	if (segment_spread(index, &old, entries, NULL, 0)) {
		segment_forget(index, &old);
		return 1;
	}
	memcpy(entries, &old, sizeof(old));
	return 0;
}

/* More than a quarter of all entries, on the whole, are stale. */
static int
stale_many(const struct map *map)
{
	return map->stale * 4 > map->segments * (uint64_t)SEGMENT_ENTRIES;
}

int
aibrix__map_add(struct aibrix_index *index, uint64_t name, uint64_t h,
		const struct run *run, uint32_t off)
{
	uint64_t entry = (h >> BUCKET_BITS & HASH_MASK) |
			 (uint64_t)(off % OFF_STEP) << OFF_SHIFT |
			 (uint64_t)run->id << RUN_SHIFT;
	int err = AIBRIX_OK;

	for (uint32_t i = 0; !err && i < HASH_BITS; i++) {
		struct run *other;
		uint32_t moved;
		uint64_t *room;

		if (name_find(index, name, h, &other, &room, &moved) != NONE)
			return AIBRIX_E_STATE;
		if (!room && i == 0 && stale_many(&index->map) &&
		    segment_relieve(index, h))
			continue;
		if (!room)
			room = room_make(index, h, &moved);
		if (room) {
			*room = entry | (uint64_t)moved << MOVED_SHIFT;
			slot_at(index, run->id)->refs++;
			return AIBRIX_OK;
		}
		err = segment_split(index, h);
	}
	return err ? err : AIBRIX_E_FULL;
}
