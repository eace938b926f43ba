/*
 * Shared meanings: from an engine's name of a place to the place.
 *
 * One entry of 8 bytes per block, without the name: the run has it in its
 * engine array, and whoever looks a name up goes to the run anyway.
 *
 *   63        38 37    30   29    28  27 26          0
 *   [ run number ][offset][spill][ moved ][ hash bits ]
 *
 * The offset is kept modulo 255: in a run of at most 255 blocks that says
 * where, in a longer one it leaves a few places to compare.  An entry of run
 * 0, the root, which has no names, is empty.
 *
 *   name --mix--> h:  bits 0-7 the bucket of 8 entries (a cache line),
 *                     bits 8-34 the hash bits, of which the first ones
 *                     choose the segment through the directory
 *
 * Extendible hashing (Fagin et al. 1979) in segments of 16 KB, as in CCEH
 * (Nam et al. 2019): the table grows by one segment at a time, so no event
 * waits for a table of millions to be copied, and a third of it at most is
 * idle.
 *
 * A name whose bucket is full lives in one of the next three.  The spill
 * bits of a bucket are a number, bit i in entry i: how many of its names do.
 * It is nearly always 0, and then one line tells all there is to know.
 *
 * Entries are not taken out when a block is forgotten: that would be a
 * random line per removed block.  An entry is stale when its run is dead or
 * shorter than its offset, and the next name of its bucket takes its place.
 * Where nothing is stale, another entry may move to a bucket of its own four.
 * Only a segment that is dense splits, so the map keeps its size when as many
 * names come as go.  The number of a dead run is given again when the last
 * entry with it has gone.
 */

#include "index/index_internal.h"

#include <string.h>

#include "base/arch.h"

enum {
	HASH_BITS = 27,
	MOVED_SHIFT = 27,
	SPILL_SHIFT = 29,
	OFF_SHIFT = 30,
	RUN_SHIFT = 38,
	BUCKETS_TRIED = 4,
	DENSE = SEGMENT_ENTRIES * 5 / 9,
	CHUNK_SEGMENTS = 128, /* 2 MiB */
	AHEAD = 16, /* names between the first touch of memory and its use */
	NEAR = 10
};

#define HASH_MASK (((uint64_t)1 << HASH_BITS) - 1)
#define TAG_MASK (((uint64_t)1 << SPILL_SHIFT) - 1)
#define SPILL ((uint64_t)1 << SPILL_SHIFT)

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

static uint64_t
entry_tag(uint64_t h, uint64_t moved)
{
	return (h >> BUCKET_BITS & HASH_MASK) | moved << MOVED_SHIFT;
}

static uint64_t
entry_moved(uint64_t entry)
{
	return entry >> MOVED_SHIFT & (BUCKETS_TRIED - 1);
}

static uint32_t
entry_off(uint64_t entry)
{
	return (uint32_t)(entry >> OFF_SHIFT) & 0xff;
}

static int
entry_empty(uint64_t entry)
{
	return entry >> RUN_SHIFT == 0;
}

/* The spill bit belongs to the bucket. */
static void
entry_put(uint64_t *slot, uint64_t entry)
{
	*slot = (*slot & SPILL) | entry;
}

/* How many of the bucket's names live elsewhere. */
static uint32_t
spill_count(const uint64_t *bucket)
{
	return line_match(bucket, SPILL, SPILL);
}

static void
spill_set(uint64_t *bucket, uint32_t n)
{
	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
		bucket[i] = (bucket[i] & ~SPILL) | (uint64_t)(n >> i & 1)
							   << SPILL_SHIFT;
}

static void
spill_add(uint64_t *entries, uint64_t home, int more)
{
	uint64_t *bucket = bucket_of(entries, home, 0);

	spill_set(bucket, spill_count(bucket) + (uint32_t)more);
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

/* Its entries counted in refs; do the buckets know what they have spilt? */
static int
segment_tally(const uint64_t *entries, uint32_t *refs)
{
	uint32_t spilt[SEGMENT_BUCKETS] = {0};

	for (uint32_t i = 0; i < SEGMENT_ENTRIES; i++) {
		uint64_t moved = entry_moved(entries[i]);
		uint64_t home = i / BUCKET_ENTRIES - moved;

		if (entry_empty(entries[i]))
			continue;
		refs[entries[i] >> RUN_SHIFT]++;
		spilt[home & (SEGMENT_BUCKETS - 1)] += moved != 0;
	}
	for (uint32_t b = 0; b < SEGMENT_BUCKETS; b++)
		if (spill_count(entries + b * BUCKET_ENTRIES) != spilt[b])
			return 0;
	return 1;
}

int
aibrix__map_tally(const struct aibrix_index *index, uint32_t *refs)
{
	const struct map *map = &index->map;
	int fits = 1;

	for (size_t i = 0; i >> map->depth == 0; i++) {
		if (i >> (map->dir[i] & DEPTH_MASK) == 0)
			fits &= segment_tally(dir_entries(map->dir[i]), refs);
	}
	return fits;
}

/* Is the entry's place the one of that name? */
static uint32_t
entry_meets(const struct aibrix_index *index, uint64_t entry, uint64_t name,
	    struct run **run)
{
	uint32_t id = (uint32_t)(entry >> RUN_SHIFT);
	uint32_t len = slot_len(index, id), off = entry_off(entry);

	for (; off < len; off += OFF_STEP) {
		const struct run *at = run_at(index, id);

		if (run_engine(at)[off] != name ||
		    (at->unfiled && bit_get(at->unfiled, off)))
			continue;
		*run = run_at(index, id);
		return off;
	}
	return NONE;
}

static uint32_t
bucket_find(const struct aibrix_index *index, const uint64_t *bucket,
	    uint32_t match, uint64_t name, struct run **run)
{
	for (; match; match &= match - 1) {
		uint32_t off = entry_meets(index, bucket[lowest_bit(match)],
					   name, run);

		if (off != NONE)
			return off;
	}
	return NONE;
}

static uint32_t
name_find(const struct aibrix_index *index, uint64_t *entries, uint64_t name,
	  uint64_t h, struct run **run)
{
	const uint64_t *bucket = bucket_of(entries, h, 0);
	uint32_t match = line_match(bucket, entry_tag(h, 0), TAG_MASK);
	uint32_t spilled = spill_count(bucket), off = NONE;

	if (match)
		off = bucket_find(index, bucket, match, name, run);
	for (uint32_t m = 1; spilled && off == NONE && m < BUCKETS_TRIED; m++) {
		bucket = bucket_of(entries, h, m);
		match = line_match(bucket, entry_tag(h, m), TAG_MASK);
		off = bucket_find(index, bucket, match, name, run);
	}
	return off;
}

uint32_t
aibrix__map_find(const struct aibrix_index *index, uint64_t name,
		 struct run **run)
{
	uint64_t h = name_hash(index, name);

	return name_find(index, segment_of(&index->map, h), name, h, run);
}

static int
entry_stale(const struct aibrix_index *index, uint64_t entry)
{
	uint32_t id = (uint32_t)(entry >> RUN_SHIFT);

	return slots_of(index, id)->known[id % CHUNK_ITEMS] <= entry_off(entry);
}

/* The number of a stale entry's run may be free now. */
static void
entry_forget(struct aibrix_index *index, uint64_t entry)
{
	uint32_t id = (uint32_t)(entry >> RUN_SHIFT);
	uint32_t *refs = slot_refs(index, id);

	index->map.stale -= index->map.stale > 0;
	if (--*refs || run_at(index, id))
		return;
	*refs = index->slots.free;
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
		uint64_t home = i / BUCKET_ENTRIES - entry_moved(entry);
		int up = entry >> depth & 1;
		uint64_t *to = up ? high : low;

		if (entry_empty(entry) ||
		    (index->map.stale && entry_stale(index, entry)))
			continue;
		entry &=
			~(SPILL | (uint64_t)(BUCKETS_TRIED - 1) << MOVED_SHIFT);
		for (moved = 0; moved < BUCKETS_TRIED; moved++) {
			uint64_t b = (home + moved) & (SEGMENT_BUCKETS - 1);

			if (filled[up][b] == BUCKET_ENTRIES)
				continue;
			entry_put(&to[b * BUCKET_ENTRIES + filled[up][b]++],
				  entry | moved << MOVED_SHIFT);
			if (moved)
				spill_add(to, home, 1);
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
		if (!entry_empty(from->entries[i]) &&
		    entry_stale(index, from->entries[i]))
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

/* An empty entry of bucket at, or a stale one, which is forgotten; or NULL.
 * Where to begin is of no account, but should differ. */
static uint64_t *
bucket_take(struct aibrix_index *index, uint64_t *entries, uint64_t at,
	    uint32_t begin)
{
	uint64_t *bucket = bucket_of(entries, at, 0);

	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
		uint64_t *slot = &bucket[(begin + i) % BUCKET_ENTRIES];

		if (entry_empty(*slot))
			return slot;
		if (!entry_stale(index, *slot))
			continue;
		entry_forget(index, *slot);
		if (entry_moved(*slot))
			spill_add(entries, at - entry_moved(*slot), -1);
		return slot;
	}
	return NULL;
}

typedef uint64_t *(*room_fn)(struct aibrix_index *index, uint64_t *entries,
			     uint64_t at);

/* Take the entry in slot, of bucket at, to another of its four buckets. */
static int
entry_move(struct aibrix_index *index, uint64_t *entries, uint64_t at,
	   const uint64_t *slot, room_fn bucket_room_in)
{
	uint64_t entry = *slot, moved = entry_moved(entry), home = at - moved;

	entry &= ~(SPILL | (uint64_t)(BUCKETS_TRIED - 1) << MOVED_SHIFT);
	for (uint64_t to = 0; to < BUCKETS_TRIED; to++) {
		uint64_t *room = NULL;

		if (to != moved)
			room = bucket_room_in(index, entries, home + to);
		if (!room)
			continue;
		entry_put(room, entry | to << MOVED_SHIFT);
		if (!to != !moved)
			spill_add(entries, home, to ? 1 : -1);
		return 1;
	}
	return 0;
}

static uint64_t *
room_near(struct aibrix_index *index, uint64_t *entries, uint64_t at)
{
	return bucket_take(index, entries, at, 0);
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

/*
 * Do so many names share the segment that some will not find room near their
 * home?  Told by all names, not by those of the segment, which are now more,
 * now fewer: else, sooner or later, each segment would have split on its day
 * with the most.
 */
static int
segment_dense(const struct aibrix_index *index, uint64_t h)
{
	const struct map *map = &index->map;
	uint32_t depth = map->dir[dir_slot(map, h)] & DEPTH_MASK;

	return (index->places - index->unfiled) >> depth > DENSE;
}

/* A place for h when its own bucket is full; NULL: better split. */
static uint64_t *
room_make(struct aibrix_index *index, uint64_t *entries, uint64_t h,
	  uint32_t *moved)
{
	static const room_fn ways[] = {room_moving, room_far};
	uint64_t *room = NULL;

	for (*moved = 1; !room && *moved < BUCKETS_TRIED; ++*moved) {
		if (*moved == BUCKETS_TRIED - 1 && segment_dense(index, h))
			return NULL;
		room = room_near(index, entries, h + *moved);
	}
	for (uint32_t way = 0; !room && way < 2; way++)
		for (*moved = 0; !room && *moved < BUCKETS_TRIED; ++*moved)
			room = ways[way](index, entries, h + *moved);
	--*moved; /* where there was room */
	return room;
}

/* E_STATE: the name has a meaning, nothing is entered. */
static int
name_add(struct aibrix_index *index, uint64_t name, uint64_t h,
	 const struct run *run, uint32_t off)
{
	uint64_t place = (uint64_t)(off % OFF_STEP) << OFF_SHIFT |
			 (uint64_t)run->id << RUN_SHIFT;
	int err = AIBRIX_OK;

	for (uint32_t i = 0; !err && i < HASH_BITS; i++) {
		uint64_t *entries = segment_of(&index->map, h), *room;
		uint32_t moved = 0;
		struct run *other;

		if (i == 0 &&
		    name_find(index, entries, name, h, &other) != NONE)
			return AIBRIX_E_STATE;
		room = bucket_take(index, entries, h, (uint32_t)(h >> 60));
		if (!room)
			room = room_make(index, entries, h, &moved);
		if (room) {
			entry_put(room, place | entry_tag(h, moved));
			if (moved)
				spill_add(entries, h, 1);
			++*slot_refs(index, run->id);
			return AIBRIX_OK;
		}
		err = segment_split(index, h);
	}
	return err ? err : AIBRIX_E_FULL;
}

static uint64_t
name_warm(const struct aibrix_index *index, uint64_t name)
{
	uint64_t h = name_hash(index, name);

	prefetch(&index->map.dir[dir_slot(&index->map, h)]);
	return h;
}

static void
bucket_warm(const struct aibrix_index *index, uint64_t h)
{
	prefetch(bucket_of(segment_of(&index->map, h), h, 0));
}

uint32_t
aibrix__map_add(struct aibrix_index *index, const uint64_t *names, uint32_t n,
		const struct run *run, uint32_t off, int *err)
{
	uint64_t hashes[AHEAD];

	for (uint32_t i = 0; i < n && i < AHEAD; i++)
		hashes[i] = name_warm(index, names[i]);
	for (uint32_t i = 0; i < n && i < NEAR; i++)
		bucket_warm(index, hashes[i]);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t h = hashes[i % AHEAD];

		if (i + NEAR < n)
			bucket_warm(index, hashes[(i + NEAR) % AHEAD]);
		if (i + AHEAD < n)
			hashes[i % AHEAD] = name_warm(index, names[i + AHEAD]);
		*err = name_add(index, names[i], h, run, off + i);
		if (*err)
			return i;
	}
	*err = AIBRIX_OK;
	return n;
}
