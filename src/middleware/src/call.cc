#include "mutirao/middleware/call.h"

namespace mutirao::middleware {

void Answer::join() const {
  auto whole = std::make_shared<Bytes>();
  for (auto const part : gathered->gathered())
    whole->insert(whole->end(), part.begin(), part.end());
  body = *whole;
  owner = std::move(whole);
  gathered = nullptr;
}

std::shared_ptr<void const> const& Reply::keep() const {
  if (answer_->gathered != nullptr) {
    answer_->join();
  } else if (answer_->owner == nullptr && answer_->encoded) {
    auto copy = std::make_shared<Bytes>(answer_->body.begin(), answer_->body.end());
    answer_->body = *copy;
    answer_->owner = std::move(copy);
  }
  return answer_->owner;
}

}  // namespace mutirao::middleware
