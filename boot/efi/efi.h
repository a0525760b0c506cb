/*
 * boot/efi/efi.h - as much of UEFI's interface as the loader uses; what it does not use is padding.
 *
 * SOURCES. UEFI Specification 2.10: 4.3 (system table), 7 (boot services), 12.9 (GOP), 13.4
 * and 13.5 (files), 9.1 (loaded image).
 */
#pragma once

#include <stdint.h>

#define EFI_CALL __attribute__((ms_abi))

typedef uint64_t efi_status; /* the highest bit set: an error */
typedef void *efi_handle;

#define EFI_OK 0u
#define EFI_ERROR (UINT64_C(1) << 63)
#define EFI_LOAD_ERROR (EFI_ERROR | 1)
#define EFI_INVALID_PARAMETER (EFI_ERROR | 2)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR | 5)
#define EFI_NOT_FOUND (EFI_ERROR | 14)

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

struct efi_table_header {
    uint64_t signature;
    uint32_t revision, bytes, crc, zero;
};

struct efi_text_output {
    void *reset;
    efi_status(EFI_CALL *output)(struct efi_text_output *, const uint16_t *text);
};

enum efi_memory_type {
    EFI_RESERVED,
    EFI_LOADER_CODE,
    EFI_LOADER_DATA,
    EFI_BOOT_CODE,
    EFI_BOOT_DATA,
    EFI_RUNTIME_CODE,
    EFI_RUNTIME_DATA,
    EFI_CONVENTIONAL,
    EFI_UNUSABLE,
    EFI_ACPI_RECLAIM,
    EFI_ACPI_NVS,
    EFI_DEVICE,
    EFI_DEVICE_PORTS,
    EFI_PAL_CODE,
    EFI_PERSISTENT,
};

struct efi_memory {
    uint32_t type, zero;
    uint64_t paddr, vaddr, pages, attributes;
};

#define EFI_MEMORY_WB 8u                  /* can be cached: real memory */
#define EFI_MEMORY_SP (UINT64_C(1) << 18) /* set aside for a special purpose */

enum efi_allocate { EFI_ANY_PAGES, EFI_BELOW, EFI_AT };
enum efi_search { EFI_ALL_HANDLES, EFI_BY_NOTIFY, EFI_BY_PROTOCOL };

struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl, *restore_tpl;
    efi_status(EFI_CALL *allocate_pages)(enum efi_allocate, enum efi_memory_type, uint64_t pages,
                                         uint64_t *paddr);
    efi_status(EFI_CALL *free_pages)(uint64_t paddr, uint64_t pages);
    efi_status(EFI_CALL *get_memory_map)(uint64_t *bytes, void *map, uint64_t *key,
                                         uint64_t *stride, uint32_t *version);
    void *allocate_pool, *free_pool;
    void *create_event, *set_timer, *wait_for_event, *signal_event, *close_event, *check_event;
    void *install, *reinstall, *uninstall;
    efi_status(EFI_CALL *handle_protocol)(efi_handle, const struct efi_guid *, void **interface);
    void *reserved, *register_notify, *locate_handle, *locate_device_path, *install_table;
    void *load_image, *start_image;
    efi_status(EFI_CALL *exit)(efi_handle image, efi_status, uint64_t bytes, const uint16_t *text);
    void *unload_image;
    efi_status(EFI_CALL *exit_boot_services)(efi_handle image, uint64_t key);
    void *next_count;
    efi_status(EFI_CALL *stall)(uint64_t microseconds);
    efi_status(EFI_CALL *set_watchdog)(uint64_t seconds, uint64_t code, uint64_t bytes,
                                       const uint16_t *);
    void *connect, *disconnect, *open_protocol, *close_protocol, *open_information;
    void *protocols_per_handle;
    efi_status(EFI_CALL *locate_handles)(enum efi_search, const struct efi_guid *, void *key,
                                         uint64_t *n, efi_handle **handles);
    efi_status(EFI_CALL *locate_protocol)(const struct efi_guid *, void *key, void **interface);
};

struct efi_table {
    struct efi_guid guid;
    void *table;
};

struct efi_system_table {
    struct efi_table_header header;
    uint16_t *vendor;
    uint32_t revision;
    efi_handle in_handle;
    void *in;
    efi_handle out_handle;
    struct efi_text_output *out;
    efi_handle err_handle;
    void *err;
    void *runtime;
    struct efi_boot_services *boot;
    uint64_t n_tables;
    struct efi_table *tables;
};

struct efi_loaded_image {
    uint32_t revision;
    efi_handle parent;
    struct efi_system_table *system;
    efi_handle device;
};

struct efi_file {
    uint64_t revision;
    efi_status(EFI_CALL *open)(struct efi_file *, struct efi_file **to, const uint16_t *name,
                               uint64_t mode, uint64_t attributes);
    efi_status(EFI_CALL *close)(struct efi_file *);
    void *remove;
    efi_status(EFI_CALL *read)(struct efi_file *, uint64_t *bytes, void *to);
    void *write;
    efi_status(EFI_CALL *get_position)(struct efi_file *, uint64_t *);
    efi_status(EFI_CALL *set_position)(struct efi_file *, uint64_t);
};

#define EFI_FILE_READ 1u
#define EFI_FILE_END UINT64_MAX /* as a position */

struct efi_file_system {
    uint64_t revision;
    efi_status(EFI_CALL *open_volume)(struct efi_file_system *, struct efi_file **root);
};

enum efi_pixels { EFI_PIXELS_RGB, EFI_PIXELS_BGR, EFI_PIXELS_MASKS, EFI_PIXELS_NONE };

struct efi_gop_info {
    uint32_t version, width, height;
    enum efi_pixels format;
    uint32_t red, green, blue, reserved; /* masks */
    uint32_t pixels_per_line;
};

struct efi_gop_mode {
    uint32_t max_mode, mode;
    struct efi_gop_info *info;
    uint64_t info_bytes;
    uint64_t paddr;
    uint64_t bytes;
};

struct efi_gop {
    void *query, *set, *blt;
    struct efi_gop_mode *mode;
};

struct efi_memory_attributes {
    void *get, *set;
    efi_status(EFI_CALL *clear)(struct efi_memory_attributes *, uint64_t paddr, uint64_t bytes,
                                uint64_t attributes);
};

#define EFI_MEMORY_XP 0x4000u /* no execution */

#define EFI_GUID_LOADED_IMAGE                                                                      \
    {                                                                                              \
        0x5b1b31a1, 0x9562, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }
#define EFI_GUID_FILE_SYSTEM                                                                       \
    {                                                                                              \
        0x964e5b22, 0x6459, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }
#define EFI_GUID_GOP                                                                               \
    {                                                                                              \
        0x9042a9de, 0x23dc, 0x4a38,                                                                \
        {                                                                                          \
            0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a                                         \
        }                                                                                          \
    }
#define EFI_GUID_MEMORY_ATTRIBUTES                                                                 \
    {                                                                                              \
        0xf4560cf6, 0x40ec, 0x4b4a,                                                                \
        {                                                                                          \
            0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb0, 0x89                                         \
        }                                                                                          \
    }
#define EFI_GUID_ACPI_20                                                                           \
    {                                                                                              \
        0x8868e871, 0xe4f1, 0x11d3,                                                                \
        {                                                                                          \
            0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81                                         \
        }                                                                                          \
    }
#define EFI_GUID_ACPI_10                                                                           \
    {                                                                                              \
        0xeb9d2d30, 0x2d88, 0x11d3,                                                                \
        {                                                                                          \
            0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d                                         \
        }                                                                                          \
    }
