import CChecksum

/// CRC-32C (Castagnoli), as in iSCSI (RFC 3720, appendix B.4).
public enum CRC32C {
    /// The checksum of `bytes`, continuing from `previous` (0 to begin).
    public static func checksum(_ bytes: [UInt8], continuing previous: UInt32 = 0) -> UInt32 {
        unsafe bytes.withUnsafeBytes { unsafe checksum($0, continuing: previous) }
    }

    /// The checksum of `bytes`, continuing from `previous` (0 to begin).
    public static func checksum(_ bytes: ArraySlice<UInt8>, continuing previous: UInt32 = 0) -> UInt32 {
        unsafe bytes.withUnsafeBytes { unsafe checksum($0, continuing: previous) }
    }

    /// The checksum of `bytes`, continuing from `previous` (0 to begin).
    public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing previous: UInt32 = 0) -> UInt32 {
        unsafe parley_crc32c(previous, bytes.baseAddress, bytes.count)
    }
}
