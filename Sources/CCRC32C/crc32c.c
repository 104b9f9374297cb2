// CRC32C, polynomial 0x1EDC6F41 (reflected 0x82F63B78), as in RFC 3720 appendix B.4.
//
// The hardware instruction has a latency of three cycles and a throughput of one, so a single chain
// leaves two thirds of the unit idle. Long input is therefore cut in three lanes whose chains run
// interleaved; the lanes' results are joined by shifting one over the length of the next, which is a
// linear map over GF(2) and stands in four tables of 256 entries.
#include "CCRC32C.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HAS_HARDWARE 1
#define HARDWARE_NAME "sse4.2"
#define HARDWARE __attribute__((target("sse4.2")))
#define CRC_WORD(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define CRC_BYTE(crc, byte) _mm_crc32_u8((crc), (byte))
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HAS_HARDWARE 1
#define HARDWARE_NAME "armv8"
#define HARDWARE __attribute__((target("+crc")))
#define CRC_WORD(crc, word) __crc32cd((crc), (word))
#define CRC_BYTE(crc, byte) __crc32cb((crc), (byte))
#else
#define HAS_HARDWARE 0
#endif

enum { POLYNOMIAL = 0x82F63B78u };

static uint32_t slices[8][256];

static void make_slices(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
    slices[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++)
    for (int slice = 1; slice < 8; slice++)
      slices[slice][byte] = (slices[slice - 1][byte] >> 8) ^ slices[0][slices[slice - 1][byte] & 0xFF];
}

static uint32_t table_chain(uint32_t crc, const uint8_t *at, size_t length) {
  for (; length >= 8; at += 8, length -= 8) {
    // Composed byte by byte, so that it holds on either endianness.
    uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
    crc = slices[7][low & 0xFF] ^ slices[6][(low >> 8) & 0xFF] ^ slices[5][(low >> 16) & 0xFF] ^ slices[4][low >> 24]
        ^ slices[3][at[4]] ^ slices[2][at[5]] ^ slices[1][at[6]] ^ slices[0][at[7]];
  }
  for (; length > 0; at++, length--) crc = (crc >> 8) ^ slices[0][(crc ^ *at) & 0xFF];
  return crc;
}

uint32_t roost_crc32c_portable(uint32_t seed, const void *bytes, size_t length) {
  return ~table_chain(~seed, bytes, length);
}

#if HAS_HARDWARE

enum { LONG_LANE = 4096, SHORT_LANE = 256 };

// What a chain becomes when LANE zero bytes follow, looked up byte by byte of the chain's value.
static uint32_t over_long_lane[4][256];
static uint32_t over_short_lane[4][256];

static void make_lane(uint32_t table[4][256], size_t lane) {
  static const uint8_t zeros[LONG_LANE];
  uint32_t shifted[32];
  for (int bit = 0; bit < 32; bit++) shifted[bit] = table_chain(1u << bit, zeros, lane);
  for (int part = 0; part < 4; part++)
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t sum = 0;
      for (int bit = 0; bit < 8; bit++)
        if (byte & (1u << bit)) sum ^= shifted[part * 8 + bit];
      table[part][byte] = sum;
    }
}

static inline uint32_t shift_over(const uint32_t table[4][256], uint32_t crc) {
  return table[0][crc & 0xFF] ^ table[1][(crc >> 8) & 0xFF] ^ table[2][(crc >> 16) & 0xFF] ^ table[3][crc >> 24];
}

static inline uint64_t word_at(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

#define THREE_LANES(lane, table)                            \
  for (; length >= 3 * (lane); length -= 3 * (lane)) {      \
    uint32_t second = 0, third = 0;                         \
    const uint8_t *end = at + (lane);                       \
    for (; at < end; at += 8) {                             \
      crc = CRC_WORD(crc, word_at(at));                     \
      second = CRC_WORD(second, word_at(at + (lane)));      \
      third = CRC_WORD(third, word_at(at + 2 * (lane)));    \
    }                                                       \
    crc = shift_over((table), crc) ^ second;                \
    crc = shift_over((table), crc) ^ third;                 \
    at += 2 * (lane);                                       \
  }

HARDWARE static uint32_t hardware_chain(uint32_t crc, const uint8_t *at, size_t length) {
  THREE_LANES(LONG_LANE, over_long_lane)
  THREE_LANES(SHORT_LANE, over_short_lane)
  for (; length >= 8; at += 8, length -= 8) crc = CRC_WORD(crc, word_at(at));
  for (; length > 0; at++, length--) crc = CRC_BYTE(crc, *at);
  return crc;
}

static int hardware_present(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2");
#else
  return (getauxval(AT_HWCAP) & (1ul << 7)) != 0;  // HWCAP_CRC32
#endif
}

#endif

static uint32_t (*chosen_chain)(uint32_t, const uint8_t *, size_t) = table_chain;

// At load time, before any thread: no lock and no check on the way later.
__attribute__((constructor)) static void choose(void) {
  make_slices();
#if HAS_HARDWARE
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  if (hardware_present()) {
    make_lane(over_long_lane, LONG_LANE);
    make_lane(over_short_lane, SHORT_LANE);
    chosen_chain = hardware_chain;
  }
#endif
}

uint32_t roost_crc32c(uint32_t seed, const void *bytes, size_t length) { return ~chosen_chain(~seed, bytes, length); }

const char *roost_crc32c_implementation(void) {
#if HAS_HARDWARE
  if (chosen_chain == hardware_chain) return HARDWARE_NAME;
#endif
  return "table";
}
