import { Page } from '../../components/page';

export default function AdminsPage() {
  return <Page title="Admins">…</Page>;
}
