#pragma once

#include <memory>

#include "mutirao/base/bytes.h"
#include "mutirao/world/file_tree.h"

#include "virtiofs/node_table.h"

namespace mutirao::machine {

/// Serves a folder to one client that speaks FUSE: the kernel of a guest.
///
/// The client checks permissions itself, as for a file system of its own, and locks among its own
/// processes. What it reads it keeps, and asks after a second whether that changed meanwhile; what
/// it writes is in the folder when it is told so. Hence others may use the folder at the same time
/// and see each other's files within a second.
///
/// Requests are a stranger's: whatever one says, nothing outside the folder is reached (see
/// world::TreeNode), and the client holds so many nodes and files at most. Any number of threads
/// may have requests answered at once; each call waits for the disk.
///
/// What a client knows and has open can be saved, and goes on with a server of the same folder
/// elsewhere: files by the places at which the client saw them (NodeTable). What is gone from
/// there, or was removed while it was open, answers ESTALE.
///
/// Source: linux/fuse.h, protocol 7.38; Virtio 1.2, 5.11.
class FuseServer {
 public:
  static constexpr std::uint32_t kTransferMax = 1 << 20;  // bytes of one read or write

  struct Options {
    bool read_only = false;
    /// A client lets go of what it knows when its memory is short, not before.
    std::size_t nodes_max = 1 << 19;
    std::size_t files_max = 1 << 14;
  };
  FuseServer(NodeTable::Node root, Options options)
      : options_{options}, nodes_{std::move(root), options.nodes_max}, files_{options.files_max} {}

  /// The answer, of at most `room` bytes; empty where none is wanted or fits.
  [[nodiscard]] Bytes answer(ByteView bytes, std::size_t room);

  /// While no request is under way.
  void save(StateWriter& to) const;
  /// Of a server that was asked for nothing yet. Waits for the disk.
  [[nodiscard]] bool restore(StateReader& from);

  [[nodiscard]] std::size_t nodes_known() const { return nodes_.size(); }
  [[nodiscard]] std::size_t files_open() const { return files_.size(); }

 private:
  struct Request;
  using Node = NodeTable::Node;
  using File = FileTable::File;
  using Answer = world::TreeResult<Bytes>;  // without its header

  Answer dispatch(Request& request);
  Answer init(Request& request);
  Answer look_up(Request& request);
  void forget_many(Request& request);
  Answer get_attributes(Request& request);
  Answer set_attributes(Request& request);
  Answer read_link(Request& request);
  Answer make_symlink(Request& request);
  Answer make_node(Request& request);
  Answer make_folder(Request& request);
  Answer remove(Request& request, bool folder);
  Answer rename(Request& request, bool with_flags);
  Answer link(Request& request);
  Answer open(Request& request, bool folder);
  Answer create(Request& request);
  Answer read(Request& request);
  Answer write(Request& request);
  Answer release(Request& request);
  Answer flush(Request& request);
  Answer sync(Request& request);
  Answer list(Request& request, bool with_nodes);
  Answer space(Request& request);
  Answer set_xattr(Request& request);
  Answer get_xattr(Request& request);
  Answer list_xattrs(Request& request);
  Answer remove_xattr(Request& request);
  Answer access(Request& request);
  Answer seek(Request& request);
  Answer allocate(Request& request);
  Answer copy_range(Request& request);

  world::TreeResult<Node> node_of(Request const& request);
  world::TreeResult<Node> node_of(std::uint64_t number);
  world::TreeResult<File> file_of(std::uint64_t number) const;
  world::TreeResult<void> writable() const;
  world::TreeResult<Bytes> entry_of(std::unique_ptr<world::TreeNode> node, std::uint64_t folder,
                                    std::string name);
  world::TreeResult<Bytes> opened(FileTable::Opened file, std::uint32_t flags);
  /// What has this name, before that changes; nothing where there is nothing.
  std::optional<world::NodeInfo> settled(world::TreeNode& folder, NodeTable::Place const& place);
  File open_again(std::uint64_t node, world::TreeOpen const& options);

  Options const options_;
  NodeTable nodes_;
  FileTable files_;
};

}  // namespace mutirao::machine
