/*
 * Names in a shared directory.
 *
 *   key of 2 to 127 bytes    <hex[0:2]>/<hex[2:4]>/<hex>
 *   of 1 byte                <hex>-
 *   of 128 to 512            .../<hex of the first 95>-<SHA-256 of all, hex>
 *
 * The first is AIBrix's (l2/connectors/shfs.py), and lower-case.  The others
 * it cannot store: a name ends at 255 bytes, and a single byte's hex is the
 * name of a directory as soon as a longer key begins with it.  Its keys have
 * 4 bytes and more.
 *
 * What is not such a name, in the directories that its digits say, is nobody's
 * value: the sweep leaves it alone.
 */

#include "store/store_shfs.h"

#include <string.h>

#include "base/rand.h"
#include "store/store_key.h"

enum {
	KEY_WHOLE = 127, /* bytes of the longest key whose hex is a name */
	KEY_PART = 95,
	DIGEST_HEX = 2 * SHA256_BYTES
};

void
aibrix__shfs_name(const struct sha256_impl *sha, const void *key,
		  uint32_t key_bytes, char name[SHFS_NAME])
{
	uint8_t digest[SHA256_BYTES];
	uint32_t part = key_bytes <= KEY_WHOLE ? key_bytes : KEY_PART;
	char *at = name + 2 * part;

	aibrix__hex_write(key, part, name);
	if (part < key_bytes) {
		aibrix__sha256(sha, key, key_bytes, digest);
		*at++ = '-';
		aibrix__hex_write(digest, sizeof(digest), at);
		at += DIGEST_HEX;
	}
	if (key_bytes == 1)
		*at++ = '-';
	*at = '\0';
}

static size_t
hex_span(const char *text)
{
	return strspn(text, "0123456789abcdef");
}

int
aibrix__shfs_is_dir(const char *name)
{
	return hex_span(name) == 2 && name[2] == '\0';
}

int
aibrix__shfs_is_value(const char *name, const char *dir0, const char *dir1)
{
	size_t n = hex_span(name);

	if (!dir0)
		return n == 2 && strcmp(name + n, "-") == 0;
	if (n == 2 * KEY_PART && name[n] == '-') {
		if (hex_span(name + n + 1) != DIGEST_HEX ||
		    name[n + 1 + DIGEST_HEX] != '\0')
			return 0;
	} else if (n % 2 != 0 || n > 2 * KEY_WHOLE || name[n] != '\0') {
		return 0;
	}
	return n >= 4 && memcmp(name, dir0, 2) == 0 &&
	       memcmp(name + 2, dir1, 2) == 0;
}

int
aibrix__shfs_is_temp(const char *name)
{
	size_t n = hex_span(name + (name[0] == '.'));

	return n >= 2 && strcmp(name + (name[0] == '.') + n, ".tmp") == 0;
}

/* A dot, 32 digits, ".tmp". */
void
aibrix__shfs_temp_name(uint64_t random[2], char name[40])
{
	name[0] = '.';
	aibrix__hex_write(random, 16, name + 1);
	memcpy(name + 33, ".tmp", 5);
}
