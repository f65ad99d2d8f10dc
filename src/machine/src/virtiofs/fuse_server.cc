#include "virtiofs/fuse_server.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mutirao::machine {
namespace {

using world::ErrorNumber;
using world::FileTime;
using world::NodeChange;
using world::NodeInfo;
using world::NodeOwner;
using world::TreeEntry;
using world::TreeOpen;
using world::TreeResult;

std::unexpected<ErrorNumber> fuse_error(int number) { return std::unexpected{ErrorNumber{number}}; }

/// The value, or return its error number from the enclosing function.
#define FUSE_TRY(...)                                              \
  (__extension__({                                                 \
    auto fuse_result = (__VA_ARGS__);                              \
    if (!fuse_result) return std::unexpected{fuse_result.error()}; \
    base::detail::take(std::move(fuse_result));                    \
  }))

// For how long the client believes names and attributes.
constexpr std::uint64_t kBelievedSeconds = 1;
constexpr std::size_t kXattrMax = 65536, kCopyMax = 64 << 20;
constexpr std::uint64_t kFeatures = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
                                    FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS |
                                    FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |
                                    FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_HANDLE_KILLPRIV_V2;

template <class T>
void append_object(Bytes& out, T const& object) {
  auto const* const bytes = reinterpret_cast<std::uint8_t const*>(&object);
  out.insert(out.end(), bytes, bytes + sizeof object);
}
template <class T>
Bytes bytes_of(T const& object) {
  Bytes out;
  append_object(out, object);
  return out;
}

fuse_attr attributes_of(NodeInfo const& info) {
  return {.ino = info.inode,
          .size = info.size,
          .blocks = info.blocks,
          .atime = static_cast<std::uint64_t>(info.accessed.seconds),
          .mtime = static_cast<std::uint64_t>(info.modified.seconds),
          .ctime = static_cast<std::uint64_t>(info.changed.seconds),
          .atimensec = info.accessed.nanoseconds,
          .mtimensec = info.modified.nanoseconds,
          .ctimensec = info.changed.nanoseconds,
          .mode = info.mode,
          .nlink = info.links,
          .uid = info.owner,
          .gid = info.group,
          .rdev = info.special,
          .blksize = info.block_size,
          .flags = 0};
}

/// The flags of open(2) are the same numbers on this host and on the guest.
TreeOpen open_of(std::uint32_t flags) {
  auto const access = flags & O_ACCMODE;
  return {.read = access != O_WRONLY,
          .write = access != O_RDONLY,
          .append = (flags & O_APPEND) != 0,
          .truncate = (flags & O_TRUNC) != 0,
          .exclusive = (flags & O_EXCL) != 0,
          .synchronous = (flags & O_DSYNC) != 0};
}

/// Those that mean here what they mean to the client; access lists would bind it, and it does not
/// know them.
bool xattr_known(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("trusted.") || name == "security.capability";
}

/// Writing to a program takes its powers away (FUSE_HANDLE_KILLPRIV_V2).
TreeResult<void> kill_powers(world::TreeNode& node) {
  std::uint32_t const mode = FUSE_TRY(node.info()).mode;
  std::uint32_t powers = mode & S_ISUID;
  if ((mode & S_IXGRP) != 0) powers |= mode & S_ISGID;
  if (!S_ISREG(mode) || powers == 0) return {};
  return node.change({.mode = mode & ALLPERMS & ~powers});
}

}  // namespace

/// What is left of a request is taken piece by piece.
struct FuseServer::Request {
  fuse_in_header header;
  ByteView rest;
  std::size_t room;  // for the answer without its header

  template <class T>
  [[nodiscard]] TreeResult<T> take() {
    return take_part<T>(sizeof(T));
  }
  /// The first `size` bytes of a T: clients of an older kind send no more.
  template <class T>
  [[nodiscard]] TreeResult<T> take_part(std::size_t size) {
    if (rest.size() < size) return fuse_error(EINVAL);
    T object{};
    std::memcpy(&object, rest.data(), size);
    rest = rest.subspan(size);
    return object;
  }
  [[nodiscard]] TreeResult<std::string> take_text() {
    auto const end = std::ranges::find(rest, 0);
    if (end == rest.end()) return fuse_error(EINVAL);
    std::string text{rest.begin(), end};
    rest = rest.subspan(text.size() + 1);
    return text;
  }
  [[nodiscard]] NodeOwner owner() const { return {header.uid, header.gid}; }
};

Bytes FuseServer::answer(ByteView bytes, std::size_t room) {
  Request request{.header = {}, .rest = bytes, .room = 0};
  if (bytes.size() < sizeof request.header) return {};
  std::memcpy(&request.header, bytes.data(), sizeof request.header);
  request.rest = bytes.subspan(sizeof request.header);
  if (room >= sizeof(fuse_out_header)) request.room = room - sizeof(fuse_out_header);
  switch (request.header.opcode) {
    case FUSE_FORGET:
      if (auto const forget = request.take<fuse_forget_in>())
        nodes_.forget(request.header.nodeid, forget->nlookup);
      return {};
    case FUSE_BATCH_FORGET:
      forget_many(request);
      return {};
    case FUSE_INTERRUPT:  // what is under way ends by itself
      return {};
    default:
      break;
  }
  Answer body = request.header.len == bytes.size() ? dispatch(request) : fuse_error(EINVAL);
  if (room < sizeof(fuse_out_header)) return {};
  if (body && body->size() > request.room) body = fuse_error(EIO);
  std::size_t const size = body ? body->size() : 0;
  Bytes out;
  out.reserve(sizeof(fuse_out_header) + size);
  append_object(out,
                fuse_out_header{.len = static_cast<std::uint32_t>(sizeof(fuse_out_header) + size),
                                .error = body ? 0 : -static_cast<int>(body.error()),
                                .unique = request.header.unique});
  if (body) out.insert(out.end(), body->begin(), body->end());
  return out;
}

FuseServer::Answer FuseServer::dispatch(Request& request) {
  switch (request.header.opcode) {
    case FUSE_INIT:
      return init(request);
    case FUSE_LOOKUP:
      return look_up(request);
    case FUSE_GETATTR:
      return get_attributes(request);
    case FUSE_SETATTR:
      return set_attributes(request);
    case FUSE_READLINK:
      return read_link(request);
    case FUSE_SYMLINK:
      return make_symlink(request);
    case FUSE_MKNOD:
      return make_node(request);
    case FUSE_MKDIR:
      return make_folder(request);
    case FUSE_UNLINK:
      return remove(request, false);
    case FUSE_RMDIR:
      return remove(request, true);
    case FUSE_RENAME:
      return rename(request, false);
    case FUSE_RENAME2:
      return rename(request, true);
    case FUSE_LINK:
      return link(request);
    case FUSE_OPEN:
      return open(request, false);
    case FUSE_OPENDIR:
      return open(request, true);
    case FUSE_CREATE:
      return create(request);
    case FUSE_READ:
      return read(request);
    case FUSE_WRITE:
      return write(request);
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
      return release(request);
    case FUSE_FLUSH:
      return flush(request);
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
      return sync(request);
    case FUSE_READDIR:
      return list(request, false);
    case FUSE_READDIRPLUS:
      return list(request, true);
    case FUSE_STATFS:
      return space(request);
    case FUSE_SETXATTR:
      return set_xattr(request);
    case FUSE_GETXATTR:
      return get_xattr(request);
    case FUSE_LISTXATTR:
      return list_xattrs(request);
    case FUSE_REMOVEXATTR:
      return remove_xattr(request);
    case FUSE_ACCESS:
      return access(request);
    case FUSE_LSEEK:
      return seek(request);
    case FUSE_FALLOCATE:
      return allocate(request);
    case FUSE_COPY_FILE_RANGE:
      return copy_range(request);
    case FUSE_SYNCFS: {
      auto const root = FUSE_TRY(node_of(NodeTable::kRoot));
      FUSE_TRY(root->sync_all());
      return Bytes{};
    }
    case FUSE_DESTROY:
      nodes_.clear();
      files_.clear();
      return Bytes{};
    default:
      return fuse_error(ENOSYS);
  }
}

// --- what requests name ------------------------------------------------------------------------

TreeResult<FuseServer::Node> FuseServer::node_of(std::uint64_t number) {
  Node node = nodes_.find(number);
  if (!node) return fuse_error(ESTALE);
  return node;
}

TreeResult<FuseServer::Node> FuseServer::node_of(Request const& request) {
  return node_of(request.header.nodeid);
}

TreeResult<FuseServer::File> FuseServer::file_of(std::uint64_t number) const {
  auto const opened = files_.find(number);
  if (!opened) return fuse_error(EBADF);
  if (!opened->file) return fuse_error(ESTALE);
  return opened->file;
}

TreeResult<void> FuseServer::writable() const {
  if (options_.read_only) return fuse_error(EROFS);
  return {};
}

/// Tells the client of a node.
TreeResult<Bytes> FuseServer::entry_of(std::unique_ptr<world::TreeNode> node, std::uint64_t folder,
                                       std::string name) {
  NodeInfo const info = FUSE_TRY(node->info());
  auto const number = nodes_.tell(std::move(node), info, {folder, std::move(name)});
  if (!number) return fuse_error(ENFILE);
  return bytes_of(fuse_entry_out{.nodeid = *number,
                                 .generation = 0,
                                 .entry_valid = kBelievedSeconds,
                                 .attr_valid = kBelievedSeconds,
                                 .entry_valid_nsec = 0,
                                 .attr_valid_nsec = 0,
                                 .attr = attributes_of(info)});
}

TreeResult<Bytes> FuseServer::opened(FileTable::Opened file, std::uint32_t flags) {
  auto const number = files_.add(std::move(file));
  if (!number) return fuse_error(ENFILE);
  return bytes_of(fuse_open_out{.fh = *number, .open_flags = flags, .padding = 0});
}

std::optional<NodeInfo> FuseServer::settled(world::TreeNode& folder,
                                            NodeTable::Place const& place) {
  auto found = folder.find(place.name);
  if (!found) return std::nullopt;
  auto const info = (*found)->info();
  if (!info) return std::nullopt;
  nodes_.settle(*std::move(found), *info, place);
  return *info;
}

// --- for a snapshot ----------------------------------------------------------------------------

void FuseServer::save(StateWriter& to) const {
  nodes_.save(to);
  files_.save(to);
}

FuseServer::File FuseServer::open_again(std::uint64_t number, TreeOpen const& options) {
  if (options.write && options_.read_only) return nullptr;
  auto const node = nodes_.find(number);
  auto file = node ? node->open(options) : fuse_error(ESTALE);
  return file ? *std::move(file) : nullptr;
}

bool FuseServer::restore(StateReader& from) {
  return nodes_.restore(from) &&
         files_.restore(from, [this](std::uint64_t node, TreeOpen const& options) {
           return open_again(node, options);
         });
}

// --- requests ----------------------------------------------------------------------------------

FuseServer::Answer FuseServer::init(Request& request) {
  // Older clients end it behind the first flags.
  auto in = FUSE_TRY(request.take_part<fuse_init_in>(offsetof(fuse_init_in, flags2)));
  if (in.major < FUSE_KERNEL_VERSION || (in.major == FUSE_KERNEL_VERSION && in.minor < 31))
    return fuse_error(EPROTO);
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = FUSE_KERNEL_MINOR_VERSION;
  out.max_readahead = in.max_readahead;
  out.flags = static_cast<std::uint32_t>(kFeatures) & in.flags;
  out.max_background = 64;
  out.congestion_threshold = 48;
  out.max_write = kTransferMax;
  out.time_gran = 1;
  out.max_pages = kTransferMax / 4096;
  return bytes_of(out);
}

FuseServer::Answer FuseServer::look_up(Request& request) {
  auto const parent = FUSE_TRY(node_of(request));
  auto const name = FUSE_TRY(request.take_text());
  auto found = parent->find(name);
  if (found) return entry_of(std::move(*found), request.header.nodeid, name);
  if (found.error() != ErrorNumber{ENOENT}) return std::unexpected{found.error()};
  // That there is none is believed as long as that there is one.
  fuse_entry_out none{};
  none.entry_valid = kBelievedSeconds;
  return bytes_of(none);
}

void FuseServer::forget_many(Request& request) {
  auto const batch = request.take<fuse_batch_forget_in>();
  if (!batch) return;
  for (std::uint32_t i = 0; i < batch->count; ++i) {
    auto const one = request.take<fuse_forget_one>();
    if (!one) return;
    nodes_.forget(one->nodeid, one->nlookup);
  }
}

FuseServer::Answer FuseServer::get_attributes(Request& request) {
  auto const node = FUSE_TRY(node_of(request));
  return bytes_of(fuse_attr_out{.attr_valid = kBelievedSeconds,
                                .attr_valid_nsec = 0,
                                .dummy = 0,
                                .attr = attributes_of(FUSE_TRY(node->info()))});
}

FuseServer::Answer FuseServer::set_attributes(Request& request) {
  FUSE_TRY(writable());
  auto const node = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_setattr_in>());
  auto const wanted = [&](std::uint32_t flag) { return (in.valid & flag) != 0; };
  NodeChange change;
  if (wanted(FATTR_MODE)) change.mode = in.mode & ALLPERMS;
  if (wanted(FATTR_UID)) change.owner = in.uid;
  if (wanted(FATTR_GID)) change.group = in.gid;
  if (wanted(FATTR_SIZE)) {
    // What was open for writing may be cut even if it could not be opened again.
    if (wanted(FATTR_FH))
      FUSE_TRY(FUSE_TRY(file_of(in.fh))->resize(in.size));
    else
      change.size = in.size;
  }
  if (wanted(FATTR_ATIME))
    change.accessed = FileTime{static_cast<std::int64_t>(in.atime), in.atimensec};
  if (wanted(FATTR_MTIME))
    change.modified = FileTime{static_cast<std::int64_t>(in.mtime), in.mtimensec};
  change.accessed_now = wanted(FATTR_ATIME_NOW);
  change.modified_now = wanted(FATTR_MTIME_NOW);
  FUSE_TRY(node->change(change));
  if (wanted(FATTR_KILL_SUIDGID)) FUSE_TRY(kill_powers(*node));
  return get_attributes(request);
}

FuseServer::Answer FuseServer::read_link(Request& request) {
  auto const target = FUSE_TRY(FUSE_TRY(node_of(request))->target());
  return Bytes{target.begin(), target.end()};
}

FuseServer::Answer FuseServer::make_symlink(Request& request) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  auto const name = FUSE_TRY(request.take_text());
  auto const target = FUSE_TRY(request.take_text());
  return entry_of(FUSE_TRY(parent->make_symlink(name, target, request.owner())),
                  request.header.nodeid, name);
}

FuseServer::Answer FuseServer::make_node(Request& request) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_mknod_in>());
  auto const name = FUSE_TRY(request.take_text());
  // Folders have a request of their own.
  if (S_ISDIR(in.mode)) return fuse_error(EPERM);
  return entry_of(FUSE_TRY(parent->make(name, in.mode, request.owner())), request.header.nodeid,
                  name);
}

FuseServer::Answer FuseServer::make_folder(Request& request) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_mkdir_in>());
  auto const name = FUSE_TRY(request.take_text());
  return entry_of(FUSE_TRY(parent->make(name, S_IFDIR | (in.mode & ALLPERMS), request.owner())),
                  request.header.nodeid, name);
}

FuseServer::Answer FuseServer::remove(Request& request, bool folder) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  NodeTable::Place const place{request.header.nodeid, FUSE_TRY(request.take_text())};
  auto const info = settled(*parent, place);
  FUSE_TRY(parent->remove(place.name, folder));
  if (info) nodes_.moved(*info, place, {});
  return Bytes{};
}

FuseServer::Answer FuseServer::rename(Request& request, bool with_flags) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take_part<fuse_rename2_in>(with_flags ? sizeof(fuse_rename2_in)
                                                                         : sizeof(fuse_rename_in)));
  auto const target = FUSE_TRY(node_of(in.newdir));
  NodeTable::Place const place{request.header.nodeid, FUSE_TRY(request.take_text())};
  NodeTable::Place const to{in.newdir, FUSE_TRY(request.take_text())};
  auto const moves = settled(*parent, place);
  auto const replaced = settled(*target, to);
  FUSE_TRY(parent->rename(place.name, *target, to.name, in.flags));
  if (replaced)
    nodes_.moved(*replaced, to, (in.flags & RENAME_EXCHANGE) != 0 ? place : NodeTable::Place{});
  if (moves) nodes_.moved(*moves, place, to);
  return Bytes{};
}

FuseServer::Answer FuseServer::link(Request& request) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_link_in>());
  auto const existing = FUSE_TRY(node_of(in.oldnodeid));
  auto const name = FUSE_TRY(request.take_text());
  FUSE_TRY(parent->link(*existing, name));
  return entry_of(FUSE_TRY(parent->find(name)), request.header.nodeid, name);
}

FuseServer::Answer FuseServer::open(Request& request, bool folder) {
  auto const node = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_open_in>());
  TreeOpen const options = folder ? TreeOpen{} : open_of(in.flags);
  if (options.write) FUSE_TRY(writable());
  if (S_ISDIR(FUSE_TRY(node->info()).mode) != folder) return fuse_error(folder ? ENOTDIR : EISDIR);
  auto file = FUSE_TRY(node->open(options));
  if ((in.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0 && options.truncate && options.write)
    FUSE_TRY(kill_powers(*node));
  // The client looks whether the file changed before it believes what it has of it.
  return opened({std::move(file), request.header.nodeid, options},
                FOPEN_KEEP_CACHE | (options.write ? 0u : FOPEN_NOFLUSH));
}

FuseServer::Answer FuseServer::create(Request& request) {
  FUSE_TRY(writable());
  auto const parent = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_create_in>());
  auto const name = FUSE_TRY(request.take_text());
  auto const options = open_of(in.flags);
  auto made = FUSE_TRY(parent->create(name, in.mode & ALLPERMS, options, request.owner()));
  Bytes entry = FUSE_TRY(entry_of(std::move(made.node), request.header.nodeid, name));
  fuse_entry_out told;
  std::memcpy(&told, entry.data(), sizeof told);
  auto const file = opened({std::move(made.file), told.nodeid, options}, FOPEN_KEEP_CACHE);
  if (!file) {
    nodes_.forget(told.nodeid, 1);
    return file;
  }
  entry.insert(entry.end(), file->begin(), file->end());
  return entry;
}

FuseServer::Answer FuseServer::read(Request& request) {
  auto const in = FUSE_TRY(request.take<fuse_read_in>());
  auto const file = FUSE_TRY(file_of(in.fh));
  Bytes bytes(std::min({std::size_t{in.size}, request.room, std::size_t{kTransferMax}}));
  bytes.resize(FUSE_TRY(file->read(in.offset, bytes)));
  return bytes;
}

FuseServer::Answer FuseServer::write(Request& request) {
  auto const in = FUSE_TRY(request.take<fuse_write_in>());
  auto const file = FUSE_TRY(file_of(in.fh));
  if (in.size != request.rest.size() || in.size > kTransferMax) return fuse_error(EINVAL);
  if ((in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0)
    FUSE_TRY(kill_powers(*FUSE_TRY(node_of(request))));
  auto const written = FUSE_TRY(file->write(in.offset, request.rest));
  return bytes_of(fuse_write_out{.size = static_cast<std::uint32_t>(written), .padding = 0});
}

FuseServer::Answer FuseServer::release(Request& request) {
  auto const in = FUSE_TRY(request.take<fuse_release_in>());
  if (!files_.remove(in.fh)) return fuse_error(EBADF);
  return Bytes{};
}

FuseServer::Answer FuseServer::flush(Request& request) {
  auto const in = FUSE_TRY(request.take<fuse_flush_in>());
  FUSE_TRY(FUSE_TRY(file_of(in.fh))->flush());
  return Bytes{};
}

FuseServer::Answer FuseServer::sync(Request& request) {
  auto const in = FUSE_TRY(request.take<fuse_fsync_in>());
  FUSE_TRY(FUSE_TRY(file_of(in.fh))->sync((in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0));
  return Bytes{};
}

FuseServer::Answer FuseServer::list(Request& request, bool with_nodes) {
  auto const node = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_read_in>());
  auto const folder = FUSE_TRY(file_of(in.fh));
  std::size_t const room =
      std::min({std::size_t{in.size}, request.room, std::size_t{kTransferMax}});
  std::size_t const fixed = with_nodes ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
  Bytes out;
  for (TreeEntry const& entry : FUSE_TRY(folder->list(in.offset))) {
    std::size_t const size = FUSE_REC_ALIGN(fixed + entry.name.size());
    if (out.size() + size > room) {
      if (out.empty()) return fuse_error(EINVAL);  // as of getdents(2)
      break;
    }
    if (with_nodes) {
      // Without a node where it is gone again; the client asks when it wants to know.
      auto found = node->find(entry.name);
      auto const told = found ? entry_of(std::move(*found), request.header.nodeid, entry.name)
                              : Answer{fuse_error(EINVAL)};
      Bytes const known = told ? *told : bytes_of(fuse_entry_out{});
      out.insert(out.end(), known.begin(), known.end());
    }
    append_object(out, fuse_dirent{.ino = entry.inode,
                                   .off = entry.after,
                                   .namelen = static_cast<std::uint32_t>(entry.name.size()),
                                   .type = entry.kind});
    out.insert(out.end(), entry.name.begin(), entry.name.end());
    out.resize(FUSE_REC_ALIGN(out.size()));
  }
  return out;
}

FuseServer::Answer FuseServer::space(Request& request) {
  auto const of = FUSE_TRY(FUSE_TRY(node_of(request))->space());
  fuse_statfs_out out{};
  out.st.blocks = of.blocks;
  out.st.bfree = of.free;
  out.st.bavail = of.available;
  out.st.files = of.files;
  out.st.ffree = of.files_free;
  out.st.bsize = of.block_size;
  out.st.namelen = of.name_max;
  out.st.frsize = of.fragment_size;
  return bytes_of(out);
}

FuseServer::Answer FuseServer::set_xattr(Request& request) {
  FUSE_TRY(writable());
  auto const node = FUSE_TRY(node_of(request));
  // Without FUSE_SETXATTR_EXT, which is not offered, no more than the first fields.
  auto const in = FUSE_TRY(request.take_part<fuse_setxattr_in>(FUSE_COMPAT_SETXATTR_IN_SIZE));
  auto const name = FUSE_TRY(request.take_text());
  if (!xattr_known(name)) return fuse_error(EOPNOTSUPP);
  if (in.size != request.rest.size() || in.size > kXattrMax) return fuse_error(EINVAL);
  FUSE_TRY(node->set_attribute(name, request.rest, static_cast<int>(in.flags)));
  return Bytes{};
}

namespace {
/// How much there is if the client asks for nothing, else all of it.
TreeResult<Bytes> xattr_answer(std::uint32_t size, Bytes value) {
  if (size == 0)
    return bytes_of(
        fuse_getxattr_out{.size = static_cast<std::uint32_t>(value.size()), .padding = 0});
  if (value.size() > size) return fuse_error(ERANGE);
  return value;
}
}  // namespace

FuseServer::Answer FuseServer::get_xattr(Request& request) {
  auto const node = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_getxattr_in>());
  auto const name = FUSE_TRY(request.take_text());
  if (!xattr_known(name)) return fuse_error(EOPNOTSUPP);
  return xattr_answer(in.size, FUSE_TRY(node->attribute(name)));
}

FuseServer::Answer FuseServer::list_xattrs(Request& request) {
  auto const node = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_getxattr_in>());
  return xattr_answer(in.size, FUSE_TRY(node->attributes()));
}

FuseServer::Answer FuseServer::remove_xattr(Request& request) {
  FUSE_TRY(writable());
  auto const node = FUSE_TRY(node_of(request));
  auto const name = FUSE_TRY(request.take_text());
  if (!xattr_known(name)) return fuse_error(EOPNOTSUPP);
  FUSE_TRY(node->remove_attribute(name));
  return Bytes{};
}

FuseServer::Answer FuseServer::access(Request& request) {
  auto const node = FUSE_TRY(node_of(request));
  auto const in = FUSE_TRY(request.take<fuse_access_in>());
  if ((in.mask & W_OK) != 0) FUSE_TRY(writable());
  return Bytes{};
}

FuseServer::Answer FuseServer::seek(Request& request) {
  auto const in = FUSE_TRY(request.take<fuse_lseek_in>());
  auto const file = FUSE_TRY(file_of(in.fh));
  return bytes_of(
      fuse_lseek_out{.offset = FUSE_TRY(file->seek(in.offset, static_cast<int>(in.whence)))});
}

FuseServer::Answer FuseServer::allocate(Request& request) {
  FUSE_TRY(writable());
  auto const in = FUSE_TRY(request.take<fuse_fallocate_in>());
  FUSE_TRY(FUSE_TRY(file_of(in.fh))->allocate(in.mode, in.offset, in.length));
  return Bytes{};
}

FuseServer::Answer FuseServer::copy_range(Request& request) {
  FUSE_TRY(writable());
  auto const in = FUSE_TRY(request.take<fuse_copy_file_range_in>());
  auto const from = FUSE_TRY(file_of(in.fh_in));
  auto const to = FUSE_TRY(file_of(in.fh_out));
  if (in.flags != 0) return fuse_error(EINVAL);
  std::size_t const size = std::min<std::uint64_t>(in.len, kCopyMax);
  auto const copied = FUSE_TRY(from->copy(in.off_in, *to, in.off_out, size));
  return bytes_of(fuse_write_out{.size = static_cast<std::uint32_t>(copied), .padding = 0});
}

#undef FUSE_TRY

}  // namespace mutirao::machine
