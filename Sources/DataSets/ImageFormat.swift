import CCodecs

/// A format of image files: what its files begin with, and what decodes them.
struct ImageFormat: Sendable {
    typealias Decoder =
        @convention(c) (
            UnsafePointer<UInt8>?, Int, codecs_request, UnsafeMutablePointer<codecs_image>?,
            UnsafeMutablePointer<CChar>?,
            Int
        ) -> Int32

    let name: String
    /// Bytes at the beginning of a file; nil: any.
    let signature: [UInt8?]
    let decode: Decoder
    /// Whether the decoder turns images of orientations 1…4 upright and takes 5…8 for 1…4, as libtiff does.
    let mirrors: Bool

    /// All that are read.
    static let all: [ImageFormat] = {
        let any = [UInt8?](repeating: nil, count: 4)
        return [
            ImageFormat(name: "PNG", signature: [0x89, 0x50, 0x4E, 0x47], decode: codecs_png_decode),
            ImageFormat(name: "JPEG", signature: [0xFF, 0xD8, 0xFF], decode: codecs_jpeg_decode),
            ImageFormat(
                name: "WebP", signature: Array("RIFF".utf8) + any + Array("WEBP".utf8), decode: codecs_webp_decode),
            ImageFormat(name: "TIFF", signature: Array("II*\0".utf8), decode: codecs_tiff_decode, mirrors: true),
            ImageFormat(name: "TIFF", signature: Array("MM\0*".utf8), decode: codecs_tiff_decode, mirrors: true),
        ]
    }()

    /// Bytes at the beginning of a file that tell its format.
    static let signatureBytes = 12

    /// What ends the names of files that are images, whatever is in them.
    static let endings = ["png", "jpg", "jpeg", "webp", "tif", "tiff"]

    private init(name: String, signature: [UInt8?], decode: Decoder, mirrors: Bool = false) {
        (self.name, self.signature, self.decode, self.mirrors) = (name, signature, decode, mirrors)
    }

    /// Of a file that begins with `bytes`.
    ///
    /// - Throws: ``DataSetError`` where it is none of ``all``.
    init(of bytes: [UInt8]) throws {
        for format in Self.all where format.isBeginning(of: bytes) {
            self = format
            return
        }
        throw DataSetError(bytes.isEmpty ? "an empty file" : "neither a PNG, JPEG, WebP nor a TIFF file")
    }

    func isBeginning(of bytes: [UInt8]) -> Bool {
        bytes.count >= signature.count && zip(signature, bytes).allSatisfy { $0 == nil || $0 == $1 }
    }
}
